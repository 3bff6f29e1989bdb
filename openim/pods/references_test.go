package pods_test

import (
	"errors"
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim/pods"
)

// fill gives every field below a value content: one element for lists and maps, and a name for each reference to a Secret.
func fill(value reflect.Value, name string) {
	switch value.Kind() {
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(value.Elem(), name)
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(value.Index(0), name)
	case reflect.Struct:
		switch value.Interface().(type) {
		case v1alpha1.LocalReference, v1alpha1.KeyReference:
			value.FieldByName("Name").SetString(name)
			return
		case v1alpha1.ResourceReference:
			value.FieldByName("Kind").SetString("Secret")
			value.FieldByName("Name").SetString(name)
			return
		}
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() && value.Field(i).CanSet() {
				fill(value.Field(i), name)
			}
		}
	default:
	}
}

func always(string) (bool, error) { return true, nil }

// Each field is found by its type: a new one is refused without being listed here.
func TestNoFieldMayNameAGeneratedSecret(t *testing.T) {
	for _, name := range []string{
		"chat-custody", "chat-digest", "other-login", "other-share-secret-2", "gone-assertion", "chat-ref-kafka-0123456789abcdef",
	} {
		g := NewWithT(t)
		stack := &v1alpha1.OpenIMStack{}
		stack.Name = "chat"
		fill(reflect.ValueOf(&stack.Spec).Elem(), name)
		paths := pods.References(&stack.Spec)[name]
		g.Expect(len(paths)).To(BeNumerically(">", 20))
		g.Expect(paths).To(ContainElements("spec.push.fcm.credentialsRef", "spec.pods.pullSecrets", "spec.dependencies.kafka.credentialsRef"))
		refusals, err := pods.GeneratedReferences(stack, always)
		g.Expect(err).NotTo(HaveOccurred())
		var refused []string
		for _, r := range refusals {
			refused = append(refused, r.Field)
			g.Expect(r.Why).To(And(ContainSubstring(name), ContainSubstring("name another Secret")))
		}
		g.Expect(refused).To(ConsistOf(paths))
	}
}

func TestAFieldMayNameTheStacksOwnKeyForItsPurpose(t *testing.T) {
	const share, keys, fcm = "spec.secretRef", "spec.wrapper.auth.users.serverKeys.secretRef", "spec.push.fcm.credentialsRef"
	for name, want := range map[string][]string{
		"chat-share-secret": {keys, fcm}, "chat-share-secret-3": {keys, fcm}, "chat-login": {share, fcm},
		"other-share-secret": {share, keys, fcm}, "other-login": {share, keys, fcm}, "chat-chat-login": {share, keys, fcm},
		"own": nil, "registry": nil,
	} {
		g := NewWithT(t)
		stack := &v1alpha1.OpenIMStack{}
		stack.Name = "chat"
		stack.Spec.SecretRef = &v1alpha1.LocalReference{Name: name}
		stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{ServerKeys: &v1alpha1.ServerKeys{SecretRef: v1alpha1.LocalReference{Name: name}}}
		stack.Spec.Push = &v1alpha1.Push{FCM: &v1alpha1.FCM{CredentialsRef: v1alpha1.KeyReference{Name: name}}}
		refusals, err := pods.GeneratedReferences(stack, always)
		g.Expect(err).NotTo(HaveOccurred())
		var refused []string
		for _, r := range refusals {
			refused = append(refused, r.Field)
		}
		g.Expect(refused).To(ConsistOf(want), name)
	}
}

func TestASecretOfTheUsersOwnMayHaveSuchAName(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{}
	stack.Name, stack.Spec.SecretRef = "chat", &v1alpha1.LocalReference{Name: "registry-login"}
	g.Expect(pods.GeneratedReferences(stack, func(string) (bool, error) { return false, nil })).To(BeEmpty())
	_, err := pods.GeneratedReferences(stack, func(string) (bool, error) { return false, errors.New("away") })
	g.Expect(err).To(MatchError("away"))
}
