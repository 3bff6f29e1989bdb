// Package evaluate works out what NetworkPolicies let through: who reaches whom, on which port, and which policies and rules decide.
//
// It follows the text of the API networking.k8s.io/v1 and of the concept page "Network Policies", not any one plugin. It says what the
// policies allow, not whether something listens. It is pure: it reads no cluster, resolves no name and writes nothing. Services,
// Ingresses and routes are not its matter: policies judge the addresses of pods, after Services are resolved.
package evaluate
