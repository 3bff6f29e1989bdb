// Package msggatewaytest is a stand-in for OpenIM's msggateway in tests. It follows internal/msggateway of open-im-server v3.8.3 and uses
// the same libraries: it has the same parameters, encodings, read limit, idle timeout and kicks. Only tests import the package.
package msggatewaytest
