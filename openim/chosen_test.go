package openim_test

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// chosen returns settings of which each has another value than the default.
func chosen(t *testing.T) *v1alpha1.Settings {
	t.Helper()
	text, err := os.ReadFile("testdata/chosen.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var s v1alpha1.Settings
	NewWithT(t).Expect(yaml.UnmarshalStrict(text, &s)).To(Succeed())
	return &s
}

// parsed returns a file of a process as OpenIM reads it.
func parsed(t *testing.T, s openim.Settings, name openim.Name, file openim.File) map[string]any {
	t.Helper()
	p, _ := openim.Lookup(name)
	files, err := openim.Render(p, s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var content map[string]any
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(files[string(file)]), &content)).To(Succeed())
	return content
}

func TestWhatWasChosenIsWhatOpenIMReads(t *testing.T) {
	g := NewWithT(t)
	s := settings(t, "v3.8.3-patch.16")
	s.Chosen = chosen(t)
	g.Expect(parsed(t, s, openim.CronTask, openim.CronTaskFile)).To(Equal(map[string]any{
		"cronExecuteTime": "*/30 3 * * 1-5", "retainChatRecords": float64(36500), "fileExpireTime": float64(0),
		"deleteObjectType": []any{"msg-file", "true", "7"},
	}), "0 days of messages are as many as can be said: openim-crontask ends with 0")
	g.Expect(parsed(t, s, openim.RPCAuth, openim.ShareFile)["multiLogin"]).To(Equal(map[string]any{
		"policy": float64(0), "maxNumOneEnd": float64(7),
	}))
	g.Expect(parsed(t, s, openim.RPCMsg, openim.RPCMsgFile)).To(HaveKeyWithValue("friendVerify", true))
	g.Expect(parsed(t, s, openim.RPCGroup, openim.RPCGroupFile)).To(HaveKeyWithValue("enableHistoryForNewMembers", false))
	g.Expect(parsed(t, s, openim.RPCMsg, openim.RedisFile)).To(And(
		HaveKeyWithValue("poolSize", float64(7)), HaveKeyWithValue("maxRetry", float64(10))))
	g.Expect(parsed(t, s, openim.RPCMsg, openim.KafkaFile)).To(And(
		HaveKeyWithValue("producerAck", "wait_for_local"), HaveKeyWithValue("compressType", "none")))
	g.Expect(parsed(t, s, openim.RPCMsg, openim.LogFile)).To(And(
		HaveKeyWithValue("remainLogLevel", float64(3)), HaveKeyWithValue("isJson", true)))
	notifications := parsed(t, s, openim.RPCGroup, openim.NotificationFile)
	g.Expect(notifications).To(HaveLen(32), "one that upstream's file lacks is added when it was chosen")
	for name, want := range map[string][]any{
		"groupMemberSetToAdmin": {true, float64(1), false}, "groupCreated": {false, float64(2), true}, "memberQuit": {true, float64(1), false},
	} {
		g.Expect(notifications[name]).To(HaveKeyWithValue("offlinePush", HaveKeyWithValue("enable", want[2])), name)
		g.Expect(notifications[name]).To(And(HaveKeyWithValue("isSendMsg", want[0]), HaveKeyWithValue("reliabilityLevel", want[1])), name)
	}
}

// An operator that learns of settings changes no pod of a stack without them: the names of ConfigMaps are made from their content.
func TestAStackWithoutSettingsHasTheFilesFromBefore(t *testing.T) {
	for _, p := range openim.Processes() {
		s := settings(t, "v3.8.3")
		before, err := openim.Render(p, s)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		s.Chosen = &v1alpha1.Settings{}
		after, err := openim.Render(p, s)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(after).To(Equal(before))
	}
}

func TestTheNamesOfEventsAreThoseOfTheAPI(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("../config/crd/bases/openimstack.dev_openimstacks.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var crd apiextensionsv1.CustomResourceDefinition
	g.Expect(yaml.Unmarshal(text, &crd)).To(Succeed())
	at := *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, name := range []string{"spec", "settings", "notifications"} {
		at = at.Properties[name]
	}
	var names []string
	for _, name := range at.Items.Schema.Properties["name"].Enum {
		names = append(names, strings.Trim(string(name.Raw), `"`))
	}
	g.Expect(openim.NotificationNames()).To(ConsistOf(names))
}

func TestOpenIMGetsTheMultiLoginPolicyThatIsEnforced(t *testing.T) {
	for policy, number := range map[v1alpha1.MultiLoginPolicy]float64{
		v1alpha1.MultiLoginUnlimited: 0, v1alpha1.MultiLoginOnePerPlatform: 1,
		v1alpha1.MultiLoginOnePerClass: 4, v1alpha1.MultiLoginComputerAndOne: 5,
	} {
		for _, enforcement := range []v1alpha1.Enforcement{"", v1alpha1.EnforcementReport, v1alpha1.EnforcementEnforce} {
			s := settings(t, "v3.8.3")
			s.Chosen = &v1alpha1.Settings{MultiLogin: &v1alpha1.MultiLogin{Policy: policy, Enforcement: enforcement}}
			want := map[string]any{"policy": float64(1), "maxNumOneEnd": float64(30)}
			if enforcement == v1alpha1.EnforcementEnforce {
				want["policy"] = number
			}
			NewWithT(t).Expect(parsed(t, s, openim.RPCAuth, openim.ShareFile)["multiLogin"]).To(Equal(want), "%s %s", policy, enforcement)
		}
	}
}
