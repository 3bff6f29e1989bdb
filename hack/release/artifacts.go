package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/openimstack/openim-operator/hack/archive"
	"github.com/openimstack/openim-operator/hack/images/image"
	"github.com/openimstack/openim-operator/hack/render"
)

// repository is where the project's source is.
const repository = "https://github.com/openimstack/openim-operator"

// architectures are those of the images.
var architectures = []string{"amd64", "arm64"}

// built are the images that are built, in the order of imageNames.
var built = []string{image.Operator, image.Wrapper, image.Supervisor}

// images writes an OCI layout for each image, with all architectures, and an SBOM for each program in it.
func (r *release) images(ctx context.Context) error {
	layouts := make([]layout, len(built))
	annotations := map[string]string{
		annotationVersion: r.version, annotationRevision: r.source.commit, annotationCreated: r.source.time, annotationSource: repository,
		annotationLicenses: "Apache-2.0",
	}
	for _, arch := range architectures {
		results, err := image.Build(ctx, image.Options{Only: built, Arch: arch, Out: r.out})
		if err != nil {
			return err
		}
		if len(results) != len(built) {
			return fmt.Errorf("%d images were built, expected %d", len(results), len(built))
		}
		for _, result := range results {
			content, err := os.ReadFile(result.Archive)
			if err != nil {
				return err
			}
			files, err := archive.Read(bytes.NewReader(content))
			if err != nil {
				return fmt.Errorf("image %s: %w", result.Name, err)
			}
			i := slices.Index(built, result.Name)
			programs, err := layouts[i].addDocker(files, r.source.time, annotations)
			if err != nil {
				return fmt.Errorf("image %s for %s: %w", result.Name, arch, err)
			}
			for _, program := range programs {
				if err := r.sbom(ctx, path.Base(program.Name), "linux_"+arch, program.Content); err != nil {
					return err
				}
			}
		}
	}
	for i, l := range layouts {
		content, err := l.tar(r.version, annotations)
		if err != nil {
			return err
		}
		if err := r.write(fmt.Sprintf("%s_%s.oci.tar", path.Base(imageNames[i]), r.version), content); err != nil {
			return err
		}
	}
	return nil
}

// sbom writes the SBOM of a program from the list of modules that Go left in it.
func (r *release) sbom(ctx context.Context, program, platform string, content []byte) error {
	folder := filepath.Join(r.scratch, "programs", platform)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	compiled := filepath.Join(folder, program)
	if err := os.WriteFile(compiled, content, 0o755); err != nil {
		return err
	}
	name := fmt.Sprintf("%s_%s_%s.cdx.json", strings.TrimSuffix(program, ".exe"), r.version, platform)
	cmd := render.Tool(ctx, r.root, "cyclonedx-gomod", nil, "bin", "-json", "-noserial", "-notimestamp",
		"-version", r.version, "-output", filepath.Join(r.folder, name), compiled)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the SBOM of %s for %s: %w: %s", program, platform, err, out)
	}
	return nil
}

// install writes install.yaml.
func (r *release) install(ctx context.Context) error {
	text, err := r.goRun(ctx, "./hack/install")
	if err != nil {
		return err
	}
	for _, name := range imageNames {
		if !bytes.Contains(text, []byte(name+":"+r.version)) {
			return fmt.Errorf("install.yaml does not name %s:%s", name, r.version)
		}
	}
	return r.write("install.yaml", text)
}

// chart packages the Helm chart. Helm writes the times of the files into its archive, so that the archive is written again without them.
func (r *release) chart(ctx context.Context) error {
	to := filepath.Join(r.scratch, "chart")
	cmd := render.Tool(ctx, r.root, "helm", nil, "package", chartFolder, "--destination", to)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(to, "*.tgz"))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("helm wrote %d archives, expected one", len(found))
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	files, err := archive.ReadGz(bytes.NewReader(content))
	if err != nil {
		return err
	}
	for i := range files {
		files[i].Mode = 0o644
	}
	slices.SortFunc(files, func(a, b archive.File) int { return strings.Compare(a.Name, b.Name) })
	return r.pack(filepath.Base(found[0]), files)
}

// plugin builds the archives of the plugin, has krew's own program check krew's manifest, and writes an SBOM for each program.
func (r *release) plugin(ctx context.Context) error {
	to := filepath.Join(r.scratch, "plugin")
	if _, err := r.goRun(ctx, "./hack/plugin", "--version", r.version, "--out", to); err != nil {
		return err
	}
	manifest := filepath.Join(to, krewManifest)
	validate := render.Tool(ctx, r.root, "validate-krew-manifest", nil, "-skip-install", "-manifest", manifest)
	if out, err := validate.CombinedOutput(); err != nil {
		return fmt.Errorf("krew refuses the manifest: %w: %s", err, out)
	}
	entries, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(to, entry.Name()))
		if err != nil {
			return err
		}
		platform, isArchive := strings.CutPrefix(entry.Name(), "kubectl-openimstack_"+r.version+"_")
		if entry.Name() != krewManifest && !isArchive {
			continue // its checksums: those of the release have all files
		}
		if err := r.write(entry.Name(), content); err != nil {
			return err
		}
		if !isArchive {
			continue
		}
		files, err := archive.ReadGz(bytes.NewReader(content))
		if err != nil {
			return err
		}
		if err := r.sbom(ctx, files[0].Name, strings.TrimSuffix(platform, ".tar.gz"), files[0].Content); err != nil {
			return err
		}
	}
	return nil
}

// krewManifest is the file with which krew installs the plugin.
const krewManifest = "openimstack.yaml"

// webClient packs the client for browsers as `npm pack` does: the files that package.json lists, the page, the license and package.json.
func (r *release) webClient(context.Context) error {
	folder := filepath.Join(r.root, "clients", "web")
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return err
	}
	var described struct {
		Name, Version string
		Files         []string
	}
	if err := json.Unmarshal(text, &described); err != nil {
		return fmt.Errorf("package.json: %w", err)
	}
	files := []archive.File{{Name: "package/package.json", Content: text}}
	license, err := archive.Open(filepath.Join(r.root, "LICENSE"), "package/LICENSE", 0)
	if err != nil {
		return err
	}
	files = append(files, license)
	for _, top := range append([]string{"README.md"}, described.Files...) {
		err := filepath.WalkDir(filepath.Join(folder, top), func(name string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			relative, err := filepath.Rel(folder, name)
			if err != nil {
				return err
			}
			file, err := archive.Open(name, path.Join("package", filepath.ToSlash(relative)), 0)
			files = append(files, file)
			return err
		})
		if err != nil {
			return err
		}
	}
	for i := range files {
		files[i].Mode = 0o644
	}
	slices.SortFunc(files, func(a, b archive.File) int { return strings.Compare(a.Name, b.Name) })
	name := strings.ReplaceAll(strings.TrimPrefix(described.Name, "@"), "/", "-")
	return r.pack(name+"-"+described.Version+".tgz", files)
}

// modulePath is the path of the project's module, which has the Go client.
const modulePath = "github.com/openimstack/openim-operator"

// goModule packs the module with the Go client as a file tree that Go takes as a proxy (https://go.dev/ref/mod#goproxy-protocol).
func (r *release) goModule(ctx context.Context) error {
	var zipped bytes.Buffer
	version := module.Version{Path: modulePath, Version: r.version}
	clone := filepath.Join(r.scratch, "clone") // the package does not know git's work trees
	if _, err := output(ctx, r.root, "git", "clone", "--quiet", "--shared", "--no-checkout", r.root, clone); err != nil {
		return err
	}
	if err := zip.CreateFromVCS(&zipped, version, clone, r.source.commit, ""); err != nil {
		return fmt.Errorf("packing the module: %w", err)
	}
	mod, err := output(ctx, r.root, "git", "show", r.source.commit+":go.mod")
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct{ Version, Time string }{r.version, r.source.time})
	if err != nil {
		return err
	}
	at := modulePath + "/@v/" + r.version
	const mode = 0o644
	return r.pack("openim-operator_"+r.version+"_go-module.tar.gz", []archive.File{
		{Name: at + ".info", Mode: mode, Content: info}, {Name: at + ".mod", Mode: mode, Content: mod},
		{Name: at + ".zip", Mode: mode, Content: zipped.Bytes()},
	})
}

// pack writes a compressed archive.
func (r *release) pack(name string, files []archive.File) error {
	if len(files) == 0 {
		return errors.New("nothing to pack")
	}
	var content bytes.Buffer
	if err := archive.TarGz(&content, files); err != nil {
		return err
	}
	return r.write(name, content.Bytes())
}
