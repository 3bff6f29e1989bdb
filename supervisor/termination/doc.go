// Package termination is the format of the termination messages that the supervisor, the preflight and the wrapper leave for the operator:
// one JSON object for the end of a process (Exit), another for stores that a start could not use (Preflight).
//
// The operator reads these messages from the status of pods, where anybody who controls a pod may write. So the decoders accept known
// versions, reasons and stores alone, and every text is bounded. Encoders and decoders are in one package, and it uses the standard library
// alone, because the supervisor does. No message holds a secret: texts are composed from names and reasons, never copied from a server, an
// address with credentials or the output of a process.
package termination
