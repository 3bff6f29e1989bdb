// Package browser starts a Chromium for tests, each with a profile of its own. It only touches that profile's folder.
package browser
