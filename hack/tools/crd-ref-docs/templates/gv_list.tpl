{{- define "gvList" -}}
# API reference

This page is for whoever writes an OpenIMStack: every field with its meaning, default and bounds, and every message with which the API
server refuses a value. Generated from the types in api/v1alpha1 by "make generate". Do not edit.

No default is stored: a field that is absent stays absent, and what holds instead is written beside the field as "Default".
`status.effective` of a stack has the values in force. `kubectl explain openimstack.spec --recursive` shows the same fields.
{{ range . }}{{ template "gvDetails" . }}{{ end }}
{{- end -}}
