// Package routestest builds bodies of calls from the route table: valid ones, and ones that name data of another user. Tests of all
// levels use them: the table alone, the handlers, and the gateway with a real OpenIM. Only tests import the package.
package routestest
