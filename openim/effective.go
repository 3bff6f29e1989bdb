package openim

import (
	"cmp"
	"strconv"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/oneline"
)

// maxEffectiveBytes is the longest value of the status. A longer one is shortened.
const maxEffectiveBytes = 256

// Effective returns what OpenIM is configured with where the spec may be silent, by paths of the spec and in its order. It contains no
// secret, because Settings contain none.
func (s Settings) Effective() []v1alpha1.EffectiveValue {
	v := view{Settings: s}
	chosen := v.chosen()
	var all []v1alpha1.EffectiveValue
	add := func(name, value string) {
		if value != "" {
			all = append(all, v1alpha1.EffectiveValue{Name: name, Value: oneline.Of(value, maxEffectiveBytes)})
		}
	}
	number := func(n int32) string { return strconv.Itoa(int(n)) }
	add("dependencies.kafka.topics.prefix", s.TopicPrefix)
	if n := s.NewTopics; n != nil {
		add("dependencies.kafka.topics.partitions", number(n.Partitions))
	}
	mode := "Standalone"
	if v.ClusterOfRedis() {
		mode = "Cluster"
	} else {
		add("dependencies.redis.database", number(s.RedisDatabase))
	}
	add("dependencies.redis.mode", mode)
	add("dependencies.mongodb.database", s.MongoDB.Database)
	add("dependencies.etcd.root", s.EtcdRoot)
	s.effectiveStorage(add)
	if m := chosen.MultiLogin; m != nil {
		add("settings.multiLogin.policy", string(m.Policy))
		if m.Policy == v1alpha1.MultiLoginUnlimited {
			add("settings.multiLogin.maxPerPlatform", number(ptr.Deref(m.MaxPerPlatform, defaultDevicesPerPlatform)))
		}
		add("settings.multiLogin.enforcement", string(cmp.Or(m.Enforcement, v1alpha1.EnforcementReport)))
	}
	add("settings.tokenLifetimeDays", number(v.TokenLifetimeDays()))
	add("settings.friendship", string(cmp.Or(chosen.Friendship, v1alpha1.FriendshipOptional)))
	add("settings.newMemberHistory", string(cmp.Or(chosen.NewMemberHistory, v1alpha1.Visible)))
	retention := v.retention()
	add("settings.retention.messageDays", number(ptr.Deref(retention.MessageDays, defaultMessageDays)))
	add("settings.retention.fileDays", number(v.FileDays()))
	types := retention.FileTypes
	if len(types) == 0 {
		types = defaultFileTypes
	}
	add("settings.retention.fileTypes", strings.Join(types, " "))
	add("settings.retention.schedule", cmp.Or(retention.Schedule, defaultSchedule))
	log := ptr.Deref(chosen.Log, v1alpha1.LogSettings{})
	add("settings.log.level", string(cmp.Or(log.Level, v1alpha1.LogError)))
	add("settings.log.format", string(cmp.Or(log.Format, v1alpha1.LogText)))
	add("settings.webSocket.maxConnections", number(v.MaxConnections()))
	add("settings.webSocket.handshakeTimeoutSeconds", number(v.HandshakeTimeout()))
	if s.Release.RPCMaxBodySize() {
		add("settings.maxRPCMessageBytes", number(v.MaxRPCMessageBytes()))
	}
	return all
}

// effectiveStorage adds what the spec may be silent about of the object store.
func (s Settings) effectiveStorage(add func(name, value string)) {
	const field = "dependencies.objectStorage"
	if s.ObjectStorage == nil {
		add(field, "None")
		return
	}
	kind := s.ObjectStorage.Enable()
	switch kind {
	case StorageMinIO:
		add(field+".minio.bucket", s.ObjectStorage.Bucket)
	case StorageCOS, StorageOSS:
		access := v1alpha1.FilesSigned
		if s.ObjectStorage.PublicRead {
			access = v1alpha1.FilesPublic
		}
		add(field+"."+string(kind)+".access", string(access))
	case StorageAWS, StorageKodo:
	}
}
