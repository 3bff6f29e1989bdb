// Command celcosts prints what the API server estimates the validation rules of CRDs to cost, one JSON object a line.
//
//	go run -C hack/celcosts . FILE...
//
// The API server refuses a CRD with a rule, or a sum of rules, above its limits. The estimate is made by the API server's own code, which
// grows with the bounds of lists, maps and text around a rule. It is a module of its own because that code brings the API server's
// dependencies, which are no concern of the project's programs.
package main
