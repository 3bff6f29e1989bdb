package openim

import (
	"cmp"
	"path"
	"path/filepath"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Where the files of a process of OpenIM are mounted. OpenIM takes the path of FCM's service account relative to its configuration folder
// (internal/push/offlinepush/fcm/push.go, filepath.Join).
const (
	// ConfigDir holds OpenIM's configuration files.
	ConfigDir = "/etc/openim"
	// SecretsDir holds the files with secrets that a process of OpenIM reads: one folder for each store, and FCM's.
	SecretsDir = "/etc/openim-secrets"
	// FCMDir is the folder with FCM's file below SecretsDir, and FCMFile the name of that file.
	FCMDir, FCMFile = "fcm", "service-account.json"
)

// FCMHost is the host that OpenIM sends notifications to by FCM (firebase.google.com/go/v4 v4.14.1, messaging). It cannot be configured.
const FCMHost = "fcm.googleapis.com"

// defaultJPushURL is the vendor's own.
const defaultJPushURL v1alpha1.PushURL = "https://api.jpush.cn/v3/push"

// JPushURL returns the URL of JPush's API.
func JPushURL(spec v1alpha1.JPush) v1alpha1.PushURL { return cmp.Or(spec.URL, defaultJPushURL) }

// JPushURL returns the URL of JPush's API.
func (v view) JPushURL() v1alpha1.PushURL { return JPushURL(*v.Push.JPush) }

// APNSProduction reports whether JPush uses the production environment of Apple's push service.
func (v view) APNSProduction() bool { return v.Push.JPush.APNS != v1alpha1.APNSDevelopment }

// FCMFile returns the path of FCM's service account, relative to the configuration folder.
func (v view) FCMFile() string {
	file, _ := filepath.Rel(ConfigDir, path.Join(SecretsDir, FCMDir, FCMFile)) // no error for two absolute paths
	return filepath.ToSlash(file)                                              // the plugin runs on Windows too
}
