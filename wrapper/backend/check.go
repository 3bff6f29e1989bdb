package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
)

// Check asks the OpenIM of a configuration whether it keeps to what the backend relies on. It opens no listener and no store. It sets the
// release of o.
func Check(ctx context.Context, c Config, o check.Options, now func() time.Time) ([]check.Finding, error) {
	if c.OpenIM.Release != "" { // without users the configuration names none: the first one
		var err error
		if o.Release, err = routes.ParseRelease(c.OpenIM.Release); err != nil {
			return nil, fmt.Errorf("openim.release: write OpenIM's release, such as v3.8.3-patch.16: %w", err)
		}
	}
	options, files := openimOptions(c, now)
	for _, file := range files {
		_, _ = file.Reload() // a secret that cannot be read is a finding
	}
	client := openimclient.New(options)
	defer client.Close()
	return check.Run(ctx, client, o), nil
}
