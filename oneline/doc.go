// Package oneline bounds texts of others for messages, statuses and tables. It is pure, and imports nothing of ours.
package oneline
