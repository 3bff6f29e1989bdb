// Package evaluate computes what NetworkPolicies let through: which sources reach which ports, and which policies and rules decide.
//
// It follows the text of the API networking.k8s.io/v1 and of the concept page "Network Policies", not a particular network plugin. It
// reports what the policies allow, not whether a process listens. It is pure: it reads no cluster, resolves no name and writes nothing.
// Services, Ingresses and routes are out of scope: policies apply to the addresses of pods, after Services are resolved.
package evaluate
