package settings_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

// Every key that is rendered for a kind of object store is a key of OpenIM's own structs at each dialect: viper ignores others without a
// word. Each is set by the field of the kind, but for the token of a session, which nobody sets.
func TestTheKeysOfAnObjectStoreAreOpenIMs(t *testing.T) {
	process, _ := openim.Lookup(openim.RPCThird)
	for _, d := range settings.Dialects() {
		for _, kind := range []openim.ObjectStorageKind{openim.StorageAWS, openim.StorageCOS, openim.StorageOSS, openim.StorageKodo} {
			g := NewWithT(t)
			files, err := openim.Render(process, openim.Settings{
				Release: release(t, d.Releases[0]), ObjectStorage: &openim.ObjectStorageSettings{Kind: kind},
			})
			g.Expect(err).NotTo(HaveOccurred())
			var parsed struct{ Object map[string]any }
			g.Expect(yaml.Unmarshal([]byte(files[string(openim.RPCThirdFile)]), &parsed)).To(Succeed())
			g.Expect(parsed.Object).To(And(HaveLen(2), HaveKeyWithValue("enable", string(kind))))
			section, _ := parsed.Object[string(kind)].(map[string]any)
			g.Expect(len(section)).To(BeNumerically(">=", 5), string(kind))
			for key, value := range section {
				full := "object." + string(kind) + "." + key
				g.Expect(d.Files[openim.RPCThirdFile]).To(HaveKey(full), d.Releases[0])
				row, _ := settings.RowOf(openim.RPCThirdFile, full)
				if key == "sessionToken" {
					g.Expect(row.Class).To(Equal(settings.Operator), full)
					g.Expect(value).To(BeEmpty())
					continue
				}
				g.Expect(row.Class).To(Equal(settings.Field), full)
				g.Expect(row.Field).To(HavePrefix("dependencies.objectStorage." + string(kind)))
			}
		}
	}
}

func TestTheObjectStoreIsNoOverride(t *testing.T) {
	for key, says := range map[string]string{
		"object.enable":          "it is set by spec.dependencies.objectStorage",
		"object.oss.publicRead":  "it is set by spec.dependencies.objectStorage.oss.access",
		"object.kodo.publicRead": "no code of OpenIM v3.8.3 reads it", "object.aws.endpoint": "no code of OpenIM v3.8.3 reads it",
		"object.cos.sessionToken": "it is the operator's, because it expires",
	} {
		problem := settings.Check(release(t, "v3.8.3"), openim.RPCThirdFile, key, "x")
		NewWithT(t).Expect(problem).NotTo(BeNil(), key)
		NewWithT(t).Expect(problem.Text).To(HavePrefix(says))
	}
}
