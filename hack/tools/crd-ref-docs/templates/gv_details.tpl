{{- define "gvDetails" }}
Group and version: `{{ .GroupVersionString }}`. Kinds:
{{- range .SortedKinds }} {{ $.TypeForKind . | markdownRenderTypeLink }}{{ end }}. The other types are in alphabetical order.
{{ $gv := . }}{{ range .SortedKinds }}{{ template "type" ($gv.TypeForKind .) }}{{ end }}
{{- range .SortedTypes }}{{ if not .GVK }}{{ template "type" . }}{{ end }}{{ end }}
{{- end -}}
