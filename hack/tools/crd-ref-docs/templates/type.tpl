{{- define "type" -}}
{{- $type := . -}}
{{- if markdownShouldRenderType $type }}
## {{ $type.Name }}

{{ template "text" $type.Doc }}
{{- if $type.IsAlias }} Written as {{ markdownRenderTypeLink $type.UnderlyingType }}. {{ template "bounds" $type.Validation }}
{{- end }}
{{ if $type.References }}
Part of
{{- range $i, $r := $type.SortedReferences }}{{ if $i }},{{ end }} {{ markdownRenderTypeLink $r }}{{ end }}.
{{ end -}}
{{- with index $type.Markers "kubebuilder:validation:XValidation" }}
Refused with:
{{ range . }}
- {{ template "text" .Message }}
{{- end }}
{{ end -}}
{{- if $type.Members }}
| field | type | meaning | bounds | refused with |
|---|---|---|---|---|
{{ range $type.Members -}}
| `{{ .Name }}`{{ if has "Required: {}" .Validation }} (required){{ end }} | {{ markdownRenderType .Type }} | {{ template "type_members" . }} | {{ template "bounds" .Validation }} | {{ template "refusals" . }} |
{{ end -}}
{{ end -}}
{{- if $type.EnumValues }}
| value | meaning |
|---|---|
{{ range $type.EnumValues -}}
| `{{ .Name }}` | {{ template "text" .Doc }} |
{{ end -}}
{{ end -}}
{{ end -}}
{{- end -}}

{{- /* text writes a comment in one line, in which nothing is read as Markdown or HTML. */ -}}
{{- define "text" -}}
{{ . | trim | replace "\n" " " | replace "<" "&lt;" | replace "*" "\\*" | markdownRenderFieldDoc }}
{{- end -}}

{{- /* bounds writes what the schema checks, without what other columns have, and large numbers with all digits. */ -}}
{{- define "bounds" -}}
{{- $checked := list -}}
{{- range . -}}
{{- if not (or (contains "XValidation" .) (hasPrefix "Required" .) (hasPrefix "Optional" .)) -}}
{{- $checked = append $checked (regexMatch "e[+]" . | ternary (printf "%s: %.0f" (splitList ": " . | first) (splitList ": " . | last | float64)) .) -}}
{{- end -}}
{{- end -}}
{{- template "text" (join "; " $checked) -}}
{{- end -}}

{{- /* refusals writes the messages of the field's own rules: those of its type are in the section of the type. */ -}}
{{- define "refusals" -}}
{{- $of := .Type.Markers -}}
{{- $field := .Markers -}}
{{- range $name := list "kubebuilder:validation:XValidation" "kubebuilder:validation:items:XValidation" -}}
{{- $own := index $field $name -}}
{{- if and $own (ne (toJson $own) (toJson (index $of $name))) -}}
{{- range $own }}{{ template "text" .Message }}. {{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
