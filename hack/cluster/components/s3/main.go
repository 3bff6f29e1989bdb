package main

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// Environment variables of the account. A command line is seen by everybody on the machine.
const (
	accessKeyEnv = "S3_ACCESS_KEY"
	secretKeyEnv = "S3_SECRET_KEY"
)

// maxCopyBytes is S3's own limit of a copy. OpenIM copies each file that is uploaded in one part.
const maxCopyBytes = 5 << 30

// healthPath answers probes. It masks a bucket of this name.
const healthPath = "/healthz"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "s3:", err)
		os.Exit(1)
	}
}

// config holds the settings of the command line and the environment.
type config struct {
	listen           string // address to listen on, host:port
	dataDir          string // holds objects and attributes
	cert, key        string // PEM files, both or none
	maxConns         int
	access, secret   string
	objects, sidecar string // folders below dataDir
}

func parse(args []string, getenv func(string) string, out io.Writer) (config, error) {
	cfg := config{access: getenv(accessKeyEnv), secret: getenv(secretKeyEnv)}
	fs := flag.NewFlagSet("s3", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&cfg.listen, "listen", ":9000", "`address` to listen on")
	fs.StringVar(&cfg.dataDir, "data-dir", "/data", "`folder` for objects and their attributes")
	fs.StringVar(&cfg.cert, "cert", "", "`file` with the server's certificate; with --key, TLS is served")
	fs.StringVar(&cfg.key, "key", "", "`file` with the certificate's private key")
	fs.IntVar(&cfg.maxConns, "max-connections", 512, "connections and requests served at once")
	if err := fs.Parse(args); err != nil {
		return config{}, err
	}
	switch {
	case fs.NArg() > 0:
		return config{}, fmt.Errorf("unexpected argument %q: this command takes flags only, see -h", fs.Arg(0))
	case (cfg.cert == "") != (cfg.key == ""):
		return config{}, errors.New("--cert and --key belong together: write both, or none to serve without TLS")
	case cfg.maxConns < 1:
		return config{}, fmt.Errorf("--max-connections %d is too small: use at least 1", cfg.maxConns)
	case cfg.access == "" || cfg.secret == "":
		return config{}, fmt.Errorf("no account: set %s and %s", accessKeyEnv, secretKeyEnv)
	}
	for _, file := range []*string{&cfg.dataDir, &cfg.cert, &cfg.key} { // the backend changes the working directory
		if *file == "" {
			continue
		}
		absolute, err := filepath.Abs(*file)
		if err != nil {
			return config{}, err
		}
		*file = absolute
	}
	cfg.objects, cfg.sidecar = filepath.Join(cfg.dataDir, "objects"), filepath.Join(cfg.dataDir, "attributes")
	return cfg, nil
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, log io.Writer) error {
	cfg, err := parse(args, getenv, log)
	if err != nil {
		return err
	}
	for _, dir := range []string{cfg.objects, cfg.sidecar} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the folder for data: %w", err)
		}
	}
	// Attributes are files of their own: not every file system has extended attributes.
	attributes, err := meta.NewSideCar(cfg.sidecar)
	if err != nil {
		return fmt.Errorf("opening the folder for attributes: %w", err)
	}
	backend, err := posix.New(cfg.objects, attributes, posix.PosixOpts{
		SideCarDir: cfg.sidecar, NewDirPerm: 0o700, NewFilePerm: 0o600, CopyObjectThreshold: maxCopyBytes,
	})
	if err != nil {
		return fmt.Errorf("opening the folder for objects: %w", err)
	}
	fmt.Fprintf(log, "s3 (versitygw): listening on %s, TLS %t, data in %s\n", cfg.listen, cfg.cert != "", cfg.dataDir)
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: cfg.access, RootUserSecret: cfg.secret, IAMService: auth.NewIAMServiceSingle(auth.Account{
			Access: cfg.access, Secret: cfg.secret, Role: auth.RoleAdmin,
		}),
		Ports: []string{cfg.listen}, CertFile: cfg.cert, KeyFile: cfg.key,
		MaxConnections: cfg.maxConns, MaxRequests: cfg.maxConns, MultipartMaxParts: 10000,
		HealthPath: healthPath, Quiet: true, KeepAlive: true,
		S3Options: []s3api.Option{s3api.WithMiddleware("/", copiedETag)},
	})
}

// copiedETag repeats the ETag of a copy as a header, as MinIO does. S3 has it in the body alone, but the client of MinIO that OpenIM pins
// (minio-go v7.0.69) reads the header, and OpenIM then compares it with that of the source.
func copiedETag(c fiber.Ctx) error {
	if err := c.Next(); err != nil {
		return err
	}
	if c.Method() != http.MethodPut || c.Get("X-Amz-Copy-Source") == "" || c.Response().StatusCode() != http.StatusOK {
		return nil
	}
	var copied struct{ ETag string }
	if xml.Unmarshal(c.Response().Body(), &copied) == nil && copied.ETag != "" {
		c.Set(fiber.HeaderETag, copied.ETag)
	}
	return nil
}
