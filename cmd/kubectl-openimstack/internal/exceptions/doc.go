// Package exceptions reads the file of findings that somebody has accepted for a time, and reports which of them a finding matches.
//
// The file is data of others: it is read strictly, within bounds, and an error names the line. The package reads one file and nothing else.
package exceptions
