// Command release builds everything that a release publishes into one folder, and publishes nothing:
//
//	go run ./hack/release build --version v0.1.0 [--out FOLDER] [--allow-dirty]
//	go run ./hack/release check FOLDER
//	go run ./hack/release twice --version v0.1.0 [--out FOLDER]
//
// The same commit gives the same bytes (docs/releasing.md): nothing of the machine, its time or its paths goes into a file. twice builds
// two clones of the commit in different surroundings and compares all files.
package main
