package settings_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

// The hooks of each dialect's webhooks.yml are those of the table, and two that no code calls.
func TestTheHooksAreOpenIMs(t *testing.T) {
	for _, d := range settings.Dialects() {
		g := NewWithT(t)
		var called []v1alpha1.HookName
		for _, process := range openim.HookCallers() {
			called = append(called, openim.HookNames(process)...)
		}
		called = append(called, "afterUserKickOff", "afterGroupMsgRevoke")
		var known []v1alpha1.HookName
		for key := range d.Files[openim.WebhooksFile] {
			if name, ok := strings.CutSuffix(key, ".enable"); ok {
				known = append(known, v1alpha1.HookName(name))
				for _, member := range []string{"timeout", "allowedTypes", "deniedTypes"} {
					g.Expect(d.Files[openim.WebhooksFile]).To(HaveKey(name + "." + member))
				}
			}
		}
		slices.Sort(called)
		slices.Sort(known)
		g.Expect(known).To(Equal(called), d.Releases[0])
		g.Expect(d.Files[openim.WebhooksFile]).To(HaveKey("afterSendGroupMsg.attentionIds"))
	}
}
