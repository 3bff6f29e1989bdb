package gateway

import (
	"context"
	"errors"
	"net"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/podforward"
)

func podOf(name string, status corev1.ConditionStatus) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: name, UID: types.UID(name)},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}},
	}
}

// dialed returns a forward whose connections end at once.
func dialed(ended <-chan struct{}) podforward.Forward {
	return podforward.Forward{Ended: ended, Dial: func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		return ours, theirs.Close()
	}}
}

func TestAForwardIsKeptUntilItsPodEnds(t *testing.T) {
	g := NewWithT(t)
	leaving := podOf("leaving", corev1.ConditionTrue)
	leaving.DeletionTimestamp = ptr.To(metav1.Now())
	pods := []corev1.Pod{podOf("starting", corev1.ConditionFalse), podOf("a", corev1.ConditionTrue), leaving, {}}
	var opened []string
	ended := make(chan struct{})
	f := &forwarder{
		pods: func(context.Context) ([]corev1.Pod, error) { return pods, nil },
		open: func(pod types.NamespacedName) (podforward.Forward, error) {
			opened = append(opened, pod.Name)
			return dialed(ended), nil
		},
	}
	for range 3 {
		conn, err := f.dial(t.Context(), "tcp", "im.example.com:443")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(conn.Close()).To(Succeed())
	}
	g.Expect(opened).To(Equal([]string{"a"}))
	close(ended)
	ended = make(chan struct{})
	pods = []corev1.Pod{podOf("b", corev1.ConditionTrue)}
	_, err := f.dial(t.Context(), "tcp", "im.example.com:443")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(opened).To(Equal([]string{"a", "b"}))
}

func TestWithoutAReadyPodTheNextAttemptLooksAgain(t *testing.T) {
	g := NewWithT(t)
	pods := []corev1.Pod{podOf("a", corev1.ConditionFalse)}
	refused := errors.New("refused")
	f := &forwarder{
		pods: func(context.Context) ([]corev1.Pod, error) { return pods, nil },
		open: func(types.NamespacedName) (podforward.Forward, error) {
			return dialed(make(chan struct{})), refused
		},
	}
	_, err := f.dial(t.Context(), "tcp", "x:1")
	g.Expect(err).To(MatchError(ContainSubstring("none of 1 pods of the gateway is ready")))
	pods = []corev1.Pod{podOf("a", corev1.ConditionTrue), podOf("b", corev1.ConditionTrue)}
	_, err = f.dial(t.Context(), "tcp", "x:1")
	g.Expect(err).To(MatchError(refused))
	refused = nil
	_, err = f.dial(t.Context(), "tcp", "x:1")
	g.Expect(err).NotTo(HaveOccurred())
}

func TestTheWayToEachListener(t *testing.T) {
	users := &v1alpha1.UserAuth{Audience: "https://im.example.com"}
	for name, c := range map[string]struct {
		wrapper  v1alpha1.Wrapper
		listener string
		base     string
		audience string
	}{
		"users": {v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: users}}, graph.UsersPort, "http://im.example.com", "https://im.example.com"},
		"users with the gateway's certificate": {
			v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: users}, Gateway: &v1alpha1.GatewaySpec{TLS: &v1alpha1.GatewayTLS{}}},
			graph.UsersPort, "https://im.example.com", "https://im.example.com",
		},
		"administrators, of the smallest stack": {v1alpha1.Wrapper{}, graph.AdminPort, "http://chat-gateway.im", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat", UID: "u1"}}
			stack.Spec.Wrapper = c.wrapper
			way, err := forwarded(t.Context(), nil, stack, c.listener)
			g.Expect(err).NotTo(HaveOccurred())
			way.HTTP = nil
			g.Expect(way).To(Equal(Way{Name: "im/chat", ID: "u1", BaseURL: c.base, Audience: c.audience, Forwarded: true}))
		})
	}
	_, err := forwarded(t.Context(), nil, &v1alpha1.OpenIMStack{}, graph.UsersPort)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("set spec.wrapper.auth.users")))
}

// A pod with the gateway's labels that somebody made by hand would be given the administrator's token.
func TestOnlyPodsOfTheDeploymentAreTheGateway(t *testing.T) {
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := podOf("chat-gateway-5d9c7b6f4-x2x7k", corev1.ConditionTrue)
		p.Labels = map[string]string{"pod-template-hash": "5d9c7b6f4"}
		p.Spec.ServiceAccountName = "chat-gateway"
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "chat-gateway-5d9c7b6f4", Controller: ptr.To(true)}}
		change(&p)
		return &p
	}
	g := NewWithT(t)
	g.Expect(gatewayOf("chat", pod(func(*corev1.Pod) {}))).To(BeTrue())
	for name, change := range map[string]func(*corev1.Pod){
		"made by hand":          func(p *corev1.Pod) { p.OwnerReferences = nil },
		"of another Deployment": func(p *corev1.Pod) { p.OwnerReferences[0].Name = "debug-5d9c7b6f4" },
		"of another account":    func(p *corev1.Pod) { p.Spec.ServiceAccountName = "default" },
		"of another stack":      func(p *corev1.Pod) { p.OwnerReferences[0].Name = "chat2-gateway-5d9c7b6f4" },
	} {
		g.Expect(gatewayOf("chat", pod(change))).To(BeFalse(), name)
	}
}
