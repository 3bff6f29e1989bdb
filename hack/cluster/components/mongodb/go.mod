module github.com/openimstack/openim-operator/hack/cluster/components/mongodb

go 1.26.0

require go.mongodb.org/mongo-driver/v2 v2.8.0
