package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// says waits until a condition of a stack has a status and a reason, and returns its message.
func (w testEnv) says(stack, kind string, status metav1.ConditionStatus, reason string) (message string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		c := w.condition(stack, kind)
		g.Expect(c).NotTo(BeNil())
		g.Expect(string(c.Status)+"/"+c.Reason).To(Equal(string(status)+"/"+reason), c.Message)
		message = c.Message
	}).Should(Succeed())
	return message
}

func numbered(n int32) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Redis.Database = ptr.To(n) }
}

var _ = Describe("Two stacks in the same stores", func() {
	const refs, stalled = v1alpha1.ConditionDependenciesReady, v1alpha1.ConditionStalled
	var w testEnv

	BeforeEach(func(ctx context.Context) { w = newTestEnv(context.WithoutCancel(ctx)) })

	It("have their own topics and databases", func() {
		startOperator()
		w.start("chat")
		w.start("other", numbered(1))
		for _, name := range []string{"chat", "other"} {
			files := w.configOf(name, "msgtransfer")
			Expect(files["kafka.yml"]).To(And(ContainSubstring(`toRedisTopic: "`+w.namespace+"."+name+`.toRedis"`),
				ContainSubstring(`toRedisGroupID: "`+w.namespace+"."+name+`.redis"`)))
			Expect(files["mongodb.yml"]).To(ContainSubstring(`database: "openim_` + w.namespace + "_" + name + `"`))
		}
		Expect(w.configOf("other", "msgtransfer")["redis.yml"]).To(And(ContainSubstring("\nstorage: 1\n"), ContainSubstring("\ndb: 1\n")))
		Expect(w.says("other", refs, metav1.ConditionTrue, v1alpha1.ReasonSharedPresence)).To(ContainSubstring("OpenIMStack " + w.namespace +
			"/chat"))
	})

	It("do not get one Redis: the younger is refused, runs nothing, and starts when the other is deleted", func() {
		startOperator()
		w.start("chat")
		w.create(w.stack("other"))
		message := w.says("other", refs, metav1.ConditionFalse, v1alpha1.ReasonSharedStore)
		Expect(message).To(And(ContainSubstring("spec.dependencies.redis.addresses: OpenIMStack "+w.namespace+"/chat has database 0"),
			ContainSubstring("redis.database")))
		Expect(w.condition("other", stalled).Reason).To(Equal(v1alpha1.ReasonSharedStore))
		Expect(w.condition("chat", refs).Status).To(Equal(metav1.ConditionTrue))
		Expect(w.deployments("other")).To(BeEmpty())
		Expect(w.getStack("chat").Status.Stores).To(ContainElement("redis redis." + w.namespace + ".svc:6379 database 0"))
		Expect(w.getStack("other").Status.Stores).To(BeEmpty())

		Expect(k8s.Delete(w.ctx, ptrTo(w.getStack("chat")))).To(Succeed())
		w.says("other", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Eventually(func() int { return len(w.deployments("other")) }).Should(Equal(14))
		w.eventuallyReady("other")
		Expect(w.condition("other", stalled)).To(BeNil())
	})

	It("are decided the same way in whichever order the stacks are reconciled, also after a restart of the operator", func() {
		w.create(w.stack("a"))
		w.create(w.stack("b"))
		o := startOperator()
		var lucky, refused string
		Eventually(func(g Gomega) {
			lucky, refused = "", ""
			for _, name := range []string{"a", "b"} {
				c := w.condition(name, refs)
				g.Expect(c).NotTo(BeNil())
				if c.Status == metav1.ConditionTrue {
					lucky = name
				} else {
					refused = name
				}
			}
			g.Expect(lucky + refused).To(HaveLen(2))
		}).Should(Succeed())
		o.stop()
		startOperator()
		w.change(refused, func(s *v1alpha1.OpenIMStackSpec) { s.Processes = &v1alpha1.Processes{} })
		Eventually(func(g Gomega) {
			c := w.condition(refused, refs)
			g.Expect(c.ObservedGeneration).To(Equal(w.getStack(refused).Generation))
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonSharedStore))
		}).Should(Succeed())
		Expect(w.condition(lucky, refs).Status).To(Equal(metav1.ConditionTrue))
	})

	It("keep what they hold: a change of the older stack to a store of the younger is refused, until the younger moves", func() {
		startOperator()
		w.start("chat")
		w.start("other", numbered(1))
		w.eventuallyReady("other")
		w.change("chat", numbered(1))
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonSharedStore)
		Expect(w.configOf("chat", "msgtransfer")["redis.yml"]).To(ContainSubstring("storage: 0"), "it runs as before")
		Expect(w.condition("other", refs).Status).To(Equal(metav1.ConditionTrue))

		w.change("other", numbered(2))
		w.eventuallyReady("other") // its old pods are gone, and with them what they held
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonSharedPresence)
		Eventually(func() string {
			w.beReady() // msgtransfer is not in the first wave
			return w.configOf("chat", "msgtransfer")["redis.yml"]
		}).Should(ContainSubstring("storage: 1"))
		w.eventuallyReady("chat")
	})

	It("cannot hide one database behind a connection string, and clears when the Secret changes", func() {
		startOperator()
		w.secret("mongo", "uri", "mongodb://mongodb."+w.namespace+".svc/openim_"+w.namespace+"_chat")
		w.start("chat")
		w.create(func() *v1alpha1.OpenIMStack {
			s := w.stack("other")
			numbered(1)(&s.Spec)
			s.Spec.Dependencies.MongoDB = v1alpha1.MongoDB{URIRef: &v1alpha1.KeyReference{Name: "mongo", Key: "uri"}}
			return s
		}())
		Expect(w.says("other", refs, metav1.ConditionFalse, v1alpha1.ReasonSharedStore)).To(ContainSubstring("spec.dependencies.mongodb.uriRef"))
		var secret corev1.Secret
		Expect(w.get("mongo", &secret)).To(Succeed())
		secret.Data["uri"] = []byte("mongodb://mongodb." + w.namespace + ".svc/two")
		Expect(k8s.Update(w.ctx, &secret)).To(Succeed())
		Eventually(func() int { return len(w.deployments("other")) }).Should(Equal(14))
		Expect(w.configOf("other", "rpc-user")["mongodb.yml"]).To(ContainSubstring(`database: "two"`))
	})
})

var _ = Describe("The prefix of a stack's topics", func() {
	It("is never changed, set or taken away later", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		with := func(prefix string) func(*v1alpha1.OpenIMStackSpec) {
			return func(s *v1alpha1.OpenIMStackSpec) {
				s.Dependencies.Kafka.Topics = nil
				if prefix != "" {
					s.Dependencies.Kafka.Topics = &v1alpha1.Topics{Prefix: prefix}
				}
			}
		}
		for before, afters := range map[string][]string{"": {"a-"}, "a-": {"", "b-"}} {
			stack := w.stack("chat")
			with(before)(&stack.Spec)
			w.create(stack)
			for _, after := range afters {
				changed := w.getStack("chat")
				with(after)(&changed.Spec)
				Expect(k8s.Update(w.ctx, &changed)).To(MatchError(ContainSubstring("kafka.topics.prefix cannot be changed")), "%q to %q", before, after)
			}
			same := w.getStack("chat")
			same.Spec.Version = "v3.8.3-patch.16"
			Expect(k8s.Update(w.ctx, &same)).To(Succeed())
			Expect(k8s.Delete(w.ctx, &same)).To(Succeed())
		}
	})
})

// configOf returns the configuration files that a process mounts.
func (w testEnv) configOf(stack, process string) map[string]string {
	GinkgoHelper()
	for _, d := range w.deployments(stack) {
		if d.Name != stack+"-"+process {
			continue
		}
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.ConfigMap != nil && v.Name == "config" {
				var config corev1.ConfigMap
				Expect(w.get(v.ConfigMap.Name, &config)).To(Succeed())
				return config.Data
			}
		}
	}
	return nil
}
