// Package openimtest is a stand-in for OpenIM's HTTP API in unit tests. Its replies have the format that OpenIM v3.8.3 was observed to
// send, including stack traces in errDlt. The end-to-end suite tests whether the real server still behaves like this.
// Only tests import the package.
package openimtest
