package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
)

// Check asks the OpenIM of a configuration whether it keeps to what the backend relies on. It opens no listener and no store.
func Check(ctx context.Context, c Config, now func() time.Time) ([]check.Finding, error) {
	var release routes.Release // the first one: without users the configuration names none
	if c.OpenIM.Release != "" {
		var err error
		if release, err = routes.ParseRelease(c.OpenIM.Release); err != nil {
			return nil, fmt.Errorf("openim.release: write OpenIM's release, such as v3.8.3-patch.16: %w", err)
		}
	}
	options, files := openimOptions(c, now)
	for _, file := range files {
		_, _ = file.Reload() // a secret that cannot be read is a finding
	}
	client := openimclient.New(options)
	defer client.Close()
	return check.Contract(ctx, client, release), nil
}
