{{- define "type_members" -}}
{{- if eq .Name "metadata" -}}
as of every object of Kubernetes
{{- else -}}
{{ template "text" (.Doc | default .Type.Doc) }}
{{- end -}}
{{- end -}}
