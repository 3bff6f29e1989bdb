// Package argocd tests what GitOps tools make of an OpenIMStack, with the tools' own code: Argo CD's Lua engine and its diff, Flux's
// kstatus and its health expressions. It is a separate module, so that nothing else depends on them. No cluster is started.
//
//	go test -C test/argocd -run TestConfigMap -update # writes config/argocd/argocd-cm.yaml anew, from the files in Lua
package argocd
