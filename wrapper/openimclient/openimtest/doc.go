// Package openimtest stands in for OpenIM's HTTP API in unit tests. Its replies have the shape that OpenIM v3.8.3 was
// seen to give, stack traces in errDlt included. Whether the real server still behaves so is for the
// end-to-end suite to say.
// It never runs outside tests.
package openimtest
