// Command settings writes what is known of OpenIM's settings.
//
//	settings dialects REPOSITORY FOLDER   read the configuration structs of every supported release from a clone of
//	                                      github.com/openimsdk/open-im-server, and write a file for each dialect
//	settings docs FILE                    write the tables of docs/settings.md
//
// A dialect is a set of keys with their types. Releases with the same keys share one.
package main
