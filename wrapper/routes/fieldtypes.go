package routes

// FieldTypes returns the JSON type of every field that OpenIM's protocol has in a route's body, by the names that Fields lists:
// text, bool, int32, int64, uint32 or uint64.
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
