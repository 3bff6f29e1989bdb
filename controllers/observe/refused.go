package observe

import (
	"fmt"
	"regexp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// The API server's texts about refused pods. The parts that differ between pods, such as a pod's name, are not copied.
var (
	quotaText    = regexp.MustCompile(`exceeded quota: ([a-z0-9.-]{1,253}), requested: ([A-Za-z0-9./=,_-]{1,500}), used: `)
	limitedText  = regexp.MustCompile(`limited: ([A-Za-z0-9./=,_-]{1,500})`)
	noLimitText  = regexp.MustCompile(`failed quota: ([a-z0-9.-]{1,253}): must specify ([A-Za-z0-9./,_ -]{1,300})`)
	securityText = regexp.MustCompile(`violates PodSecurity "([a-z0-9.:-]{1,64})"`)
	webhookText  = regexp.MustCompile(`admission webhook "([a-z0-9.-]{1,253})" denied`)
	policyText   = regexp.MustCompile(`ValidatingAdmissionPolicy '([a-z0-9.:-]{1,253})'`)
)

// refusedPods returns the reason for which Kubernetes could not create pods of a Deployment.
func refusedPods(d *appsv1.Deployment) (failure, bool) {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			f := refusal(c.Message)
			f.class, f.lasting, f.since = Environment, true, c.LastTransitionTime.Time
			return f, true
		}
	}
	return failure{}, false
}

func refusal(text string) failure {
	if len(text) > 4*maxText {
		text = text[:4*maxText]
	}
	if m := quotaText.FindStringSubmatch(text); m != nil {
		message := fmt.Sprintf("ResourceQuota %s does not allow its pods (requested: %s", m[1], cut(m[2], maxQuote))
		if limit := limitedText.FindStringSubmatch(text); limit != nil {
			message += ", limited: " + cut(limit[1], maxQuote)
		}
		return failure{reason: v1alpha1.ReasonQuotaExceeded, message: message + "): raise the quota, or lower replicas or resources in the spec"}
	}
	if m := noLimitText.FindStringSubmatch(text); m != nil {
		return failure{reason: v1alpha1.ReasonQuotaExceeded, message: fmt.Sprintf(
			"ResourceQuota %s needs %s: set it in the spec's resources, or add a LimitRange", m[1], cut(m[2], maxQuote))}
	}
	if m := securityText.FindStringSubmatch(text); m != nil {
		return failure{reason: v1alpha1.ReasonPodSecurityViolation, message: fmt.Sprintf(
			"the namespace's pod security level %s does not allow its pods: compare the events of its ReplicaSet, and correct the level", m[1])}
	}
	by := "the API server"
	if m := webhookText.FindStringSubmatch(text); m != nil {
		by = "admission webhook " + m[1]
	} else if m := policyText.FindStringSubmatch(text); m != nil {
		by = "ValidatingAdmissionPolicy " + m[1]
	}
	return failure{reason: v1alpha1.ReasonAdmissionRefused, message: by +
		" refuses its pods: see the events of its ReplicaSet, and correct what refuses them"}
}
