package controllers_test

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// overriding returns a change that sets keys of redis.yml.
func overriding(values map[string]v1alpha1.SettingValue) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		s.Settings = &v1alpha1.Settings{Overrides: []v1alpha1.SettingsFile{{File: "redis.yml", Values: values}}}
	}
}

var _ = Describe("OpenIM's own settings", func() {
	var w testEnv
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
	})

	It("reach the processes that read them, by a rollout, and no other", func() {
		w.start("chat")
		w.rolledOut("chat")
		templates := w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Settings = &v1alpha1.Settings{
				Friendship: v1alpha1.FriendshipRequired, Retention: &v1alpha1.Retention{MessageDays: ptr.To[int32](30)},
			}
		})
		Eventually(func() string { return w.configOf("chat", "rpc-msg")["openim-rpc-msg.yml"] }).Should(ContainSubstring("friendVerify: true"))
		w.rolledOut("chat")
		Expect(w.configOf("chat", "crontask")["openim-crontask.yml"]).To(ContainSubstring("retainChatRecords: 30\n"))
		for name, count := range w.templates() {
			if name == "chat-rpc-msg" || name == "chat-crontask" {
				Expect(count).To(Equal(templates[name]+1), name)
			} else {
				Expect(count).To(Equal(templates[name]), name)
			}
		}
		w.eventuallyReady("chat")
	})

	It("that the release does not take change nothing, are named with the remedy, and the corrected ones are accepted", func() {
		w.start("chat", overriding(map[string]v1alpha1.SettingValue{"poolSize": "50"}))
		w.rolledOut("chat")
		templates := w.templates()
		Expect(w.configOf("chat", "rpc-msg")["redis.yml"]).To(ContainSubstring("poolSize: 50\n"))

		w.change("chat", overriding(map[string]v1alpha1.SettingValue{"poolSize": "0", "password": "hunter2"}))
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)).To(And(
			ContainSubstring(`spec.settings.overrides[redis.yml]."poolSize": write a whole number from 1 to 10000`),
			ContainSubstring(`"password": it is set by spec.dependencies.redis: remove it here`), Not(ContainSubstring("hunter2"))))
		w.change("chat", overriding(map[string]v1alpha1.SettingValue{"poolsize": "5"}))
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonUnknownSetting)).
			To(ContainSubstring("OpenIM v3.8.3 has no such key: write one of maxRetry, poolSize"))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(HaveValue(HaveField("Reason", v1alpha1.ReasonUnknownSetting)))
		Expect(k8s.Delete(w.ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-default-deny"}})).
			To(Succeed())
		Eventually(func() error { return w.get("chat-default-deny", &networkingv1.NetworkPolicy{}) }).Should(Succeed(), "repair goes on")
		Expect(w.templates()).To(Equal(templates))
		Expect(w.configOf("chat", "rpc-msg")["redis.yml"]).To(ContainSubstring("poolSize: 50\n"))
		lifetime := func(value string) func(*v1alpha1.OpenIMStackStatus) bool {
			return func(s *v1alpha1.OpenIMStackStatus) bool {
				return slices.Contains(s.Effective, v1alpha1.EffectiveValue{Name: "settings.tokenLifetimeDays", Value: value})
			}
		}
		status := w.status("chat")
		Expect(lifetime("90")(&status)).To(BeTrue(), "the status tells defaults: %v", status.Effective)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Settings.TokenLifetimeDays = ptr.To[int32](7) })
		Consistently(func() bool { status := w.status("chat"); return lifetime("90")(&status) }, "1s").
			Should(BeTrue(), "a spec that is refused is not in force")

		w.change("chat", overriding(map[string]v1alpha1.SettingValue{"poolSize": "60"}))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		w.rolledOut("chat")
		Expect(w.configOf("chat", "rpc-msg")["redis.yml"]).To(ContainSubstring("poolSize: 60\n"))
		w.eventuallyReady("chat")
	})

	It("are compared with another release before any of its pods starts", func() {
		w.start("chat", letUsersIn, func(s *v1alpha1.OpenIMStackSpec) {
			s.Version = newer
			s.Settings = &v1alpha1.Settings{MaxRPCMessageBytes: ptr.To[int32](1 << 20)}
		})
		w.rolledOut("chat")
		templates := w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = "v3.8.3" })
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonUnsupportedByRelease)).
			To(ContainSubstring("spec.settings.maxRPCMessageBytes: OpenIM v3.8.3 has no such setting: use v3.8.3-patch.5 or later"))
		Expect(w.at("chat", newer)).To(HaveLen(12))
		Expect(w.templates()).To(Equal(templates), "no process runs the other release, whether it reads the setting or not")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = newer })
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		w.eventuallyReady("chat")
	})

	It("that are refused do not hold back the gateway's limits and rules, which no process of OpenIM reads", func() {
		w.start("chat", letUsersIn, ruled("identity.platformID != 5"))
		w.eventuallyReady("chat")
		templates := w.templates()
		w.change("chat", overriding(map[string]v1alpha1.SettingValue{"poolSize": "0"}))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)
		w.change("chat", ruled("identity.platformID != 4")) // as in an emergency
		Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 4"))
		Expect(w.condition("chat", v1alpha1.ConditionSettingsAccepted).Reason).To(Equal(v1alpha1.ReasonSettingRefused))

		w.change("chat", ruled("nobody")) // the gateway's own refusal holds its file, beside the other one
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionSettingsAccepted).Message }).
			Should(And(ContainSubstring("poolSize"), ContainSubstring("undeclared reference")))
		Expect(w.hot("chat")).To(ContainSubstring("!= 4"))
		Expect(w.templates()).To(Equal(templates), "no pod restarts meanwhile")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Settings = nil; ruled("identity.platformID != 3")(s) })
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 3"))
		w.eventuallyReady("chat")
		Expect(w.templates()).To(Equal(templates))
	})

	It("that are refused change no multi-login policy, while rules follow the spec", func() {
		refused := map[string]v1alpha1.SettingValue{"poolSize": "0"}
		enforced := &v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerClass, Enforcement: v1alpha1.EnforcementEnforce}
		w.start("chat", letUsersIn, ruled("identity.platformID != 5"))
		w.eventuallyReady("chat")
		logins := func(s *v1alpha1.OpenIMStackSpec) { s.Settings.MultiLogin = enforced }
		w.change("chat", overriding(refused), logins, ruled("identity.platformID != 4"))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)
		Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 4"), "as in an emergency")
		Expect(w.hot("chat")).NotTo(ContainSubstring("multiLogin"), "a refused spec ends no session")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Settings = &v1alpha1.Settings{MultiLogin: &v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerPlatform}}
		})
		Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("OnePerPlatform"))
		w.change("chat", overriding(refused), ruled("identity.platformID != 3")) // without multiLogin
		Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 3"))
		Expect(w.hot("chat")).To(ContainSubstring("OnePerPlatform"), "the policy that was accepted last stays")
		o.stop()
		startOperator()
		w.change("chat", ruled("identity.platformID != 2"))
		Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 2"))
		Expect(w.hot("chat")).To(ContainSubstring("OnePerPlatform"), "a new process reads it")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Settings = nil })
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		Eventually(func() string { return w.hot("chat") }).ShouldNot(ContainSubstring("multiLogin"))
		w.eventuallyReady("chat")
	})

	It("never start a stack when they are wrong from the beginning", func() {
		stack := w.stack("chat")
		overriding(map[string]v1alpha1.SettingValue{"poolSize": "many"})(&stack.Spec)
		w.create(stack)
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)
		Expect(w.deployments("chat")).To(BeEmpty())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Settings = nil })
		w.eventuallyReady("chat")
	})

	It("are an exception when OpenIM writes secrets into its log", func() {
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Settings = &v1alpha1.Settings{Log: &v1alpha1.LogSettings{Level: v1alpha1.LogDebug}}
		})
		exceptions := func() []string { return ptr.Deref(w.status("chat").Boundary, v1alpha1.Boundary{}).Exceptions }
		disclosed := ContainElement(HavePrefix("LogHoldsSecrets: "))
		Eventually(exceptions).Should(disclosed)
		w.rolledOut("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			overriding(map[string]v1alpha1.SettingValue{"poolSize": "many"})(s) // the pods stay as they are
		})
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)
		Expect(exceptions()).To(disclosed, "pods still write them")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Settings = nil })
		w.rolledOut("chat")
		Eventually(exceptions).ShouldNot(disclosed)
	})
})
