// Command openim-rpc-msg is OpenIM's program of that name, with one method that always fails: SendMsg, by which every message is sent.
// The process serves, registers and answers all its other methods as ever. The end-to-end suite upgrades a stack to an image with this
// program, in place of a release that breaks a route (test/e2e/failingcheck_test.go). No product image contains it, and OpenIM's source is
// unchanged: the method is replaced in the description of the service, before the program starts.
package main
