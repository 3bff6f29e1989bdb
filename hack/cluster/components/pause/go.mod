module github.com/openimstack/openim-operator/hack/cluster/components/pause

go 1.26.0
