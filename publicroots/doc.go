// Package publicroots lets a program of an image without certificates trust public authorities beside those of its system, which are the
// files of SSL_CERT_DIR. It reads no file of its own and writes none.
package publicroots
