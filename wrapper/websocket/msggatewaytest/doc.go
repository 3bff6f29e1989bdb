// Package msggatewaytest is a stand-in for OpenIM's msggateway in tests. It is written after internal/msggateway of
// open-im-server v3.8.3, with the libraries that OpenIM uses: the same parameters, encodings, read limit, silence and kicks.
// It is no part of the product.
package msggatewaytest
