package routes

// FieldTypes returns the JSON types of all fields of a route's body in OpenIM's protocol, by the names that Fields returns: text, bool,
// int32, int64, uint32 or uint64.
func FieldTypes(r Route) map[string]string {
	types := map[string]string{}
	if form := shapes[r.Upstream()]; form != nil {
		form.types("", types)
	}
	return types
}

func (s *shape) types(field string, into map[string]string) {
	switch {
	case s.fields != nil:
		for name, member := range s.fields {
			member.types(join(field, name), into)
		}
	case s.elem != nil:
		s.elem.types(field+"[]", into)
	default:
		into[field] = s.scalar
	}
}
