package pipeline

import (
	"fmt"
	"testing"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/mjson"
)

// The pipelines of OpenIM v3.8.3 (pkg/common/storage/database/mgo), each with a small collection and what MongoDB makes of it.

// conversation is a document of collection msg: two messages of a day, one of the next, one deleted, one that is not there yet.
const conversation = `{"_id": 1, "doc_id": "si_a_b:0", "msgs": [
	{"msg": {"seq": 1, "send_id": "a", "recv_id": "b", "group_id": "", "send_time": {"$numberLong": "1735948800000"}, "status": 1}},
	{"msg": {"seq": 2, "send_id": "b", "recv_id": "a", "group_id": "", "send_time": {"$numberLong": "1735952400000"}, "status": 1}},
	{"msg": {"seq": 3, "send_id": "a", "recv_id": "b", "group_id": "", "send_time": {"$numberLong": "1736035200000"}, "status": 4}},
	{"msg": null}]}`

const groupTalk = `{"_id": 2, "doc_id": "sg_g:0", "msgs": [
	{"msg": {"seq": 1, "send_id": "a", "group_id": "g", "send_time": {"$numberLong": "1735950000000"}, "status": 1}}]}`

func TestMessagesAreReadByTheirPlaceInTheDocument(t *testing.T) { // getMsgBySeqIndexIn1Doc
	expect(t, `[
		{"$match": {"doc_id": "si_a_b:0"}},
		{"$project": {"_id": 0, "doc_id": 1, "msgs": {"$map": {
			"input": [{"$numberLong": "2"}, {"$numberLong": "0"}, {"$numberLong": "99"}], "as": "index",
			"in": {"$arrayElemAt": ["$msgs", "$$index"]}}}}}]`,
		"["+conversation+", "+groupTalk+"]",
		`[{"doc_id": "si_a_b:0", "msgs": [
			{"msg": {"seq": 3, "send_id": "a", "recv_id": "b", "group_id": "", "send_time": {"$numberLong": "1736035200000"}, "status": 4}},
			{"msg": {"seq": 1, "send_id": "a", "recv_id": "b", "group_id": "", "send_time": {"$numberLong": "1735948800000"}, "status": 1}},
			null]}]`)
}

func TestASearchGivesPlacesOfMessages(t *testing.T) { // searchMessageIndex
	filter := `{"$or": [{"msgs.msg.recv_id": "b"}, {"msgs.msg.group_id": "b"}], "msgs.msg.send_id": "a",
		"$and": [{"msgs.msg.send_time": {"$gte": {"$numberLong": "1735948800000"}}}, {"msgs.msg.send_time": {"$lt": {"$numberLong": "1736121600000"}}}]}`
	expect(t, `[
		{"$sort": {"_id": 1}},
		{"$match": {"$or": [{"doc_id": {"$regularExpression": {"pattern": "^sg_", "options": ""}}}, {"doc_id": {"$regularExpression": {"pattern": "^si_", "options": ""}}}]}},
		{"$match": `+filter+`},
		{"$limit": 50},
		{"$project": {"_id": 1, "msgs": {"$map": {"input": "$msgs", "as": "msg", "in": {"$mergeObjects": ["$$msg", {"_search_temp_index": {"$indexOfArray": ["$msgs", "$$msg"]}}]}}}}},
		{"$unwind": "$msgs"},
		{"$match": `+filter+`},
		{"$project": {"_id": 1, "msgs._search_temp_index": 1}},
		{"$group": {"_id": "$_id", "index": {"$push": "$msgs._search_temp_index"}}},
		{"$sort": {"_id": 1}}]`,
		"["+groupTalk+", "+conversation+`, {"_id": 3, "doc_id": "n_x:0", "msgs": []}]`,
		`[{"_id": 1, "index": [0, 2]}]`)
}

func TestTheLastMessageThatIsNotDeleted(t *testing.T) { // GetLastMessage
	expect(
		t,
		`[
		{"$match": {"doc_id": {"$regex": "^si_a_b"}}}, {"$match": {"msgs.msg.status": {"$lt": 4}}},
		{"$sort": {"_id": -1}}, {"$limit": 1}, {"$project": {"_id": 0, "doc_id": 0}}, {"$unwind": "$msgs"},
		{"$match": {"msgs.msg.status": {"$lt": 4}}}, {"$sort": {"msgs.msg.seq": -1}}, {"$limit": 1}]`,
		"["+conversation+", "+groupTalk+"]",
		`[{"msgs": {"msg": {"seq": 2, "send_id": "b", "recv_id": "a", "group_id": "", "send_time": {"$numberLong": "1735952400000"}, "status": 1}}}]`,
	)
}

func TestOldDocumentsAreFoundByHavingNoYoungMessage(t *testing.T) { // GetRandBeforeMsg
	for limit, want := range map[string]string{
		"1735950000000": `[{"doc_id": "sg_g:0", "msgs": [{"msg": {"seq": 1, "send_time": {"$numberLong": "1735950000000"}}}]}]`,
		"1735949999999": `[]`,
	} {
		expect(t, `[
			{"$match": {"msgs": {"$not": {"$elemMatch": {"msg.send_time": {"$gt": {"$numberLong": "`+limit+`"}}}}}}},
			{"$project": {"_id": 0, "doc_id": 1, "msgs.msg.send_time": 1, "msgs.msg.seq": 1}},
			{"$sample": {"size": 50}}]`, "["+conversation+", "+groupTalk+"]", want)
	}
}

// statistics is the pipeline that counts messages by sender (RangeUserSendCount) or by group (RangeGroupSendCount), and by day.
func statistics(patterns, field, list string, direction, page int) string {
	return fmt.Sprintf(`[
		{"$match": {"$and": [{"msgs.msg.send_time": {"$gte": {"$numberLong": "1735862400000"}, "$lt": {"$numberLong": "1736121600000"}}}, {"$or": [%[1]s]}]}},
		{"$addFields": {"msgs": {"$filter": {"input": "$msgs", "as": "item", "cond": {"$and": [
			{"$gte": ["$$item.msg.send_time", {"$numberLong": "1735862400000"}]}, {"$lt": ["$$item.msg.send_time", {"$numberLong": "1736121600000"}]}]}}}}},
		{"$project": {"_id": 0}},
		{"$project": {"result": {"$map": {"input": "$msgs", "as": "item", "in": {"who": "$$item.msg.%[2]s",
			"send_date": {"$dateToString": {"format": "%%Y-%%m-%%d", "date": {"$toDate": "$$item.msg.send_time"}}}}}}}},
		{"$unwind": "$result"},
		{"$group": {"_id": "$result.send_date", "count": {"$sum": 1}, "original": {"$push": "$$ROOT"}}},
		{"$addFields": {"dates": "$$ROOT"}},
		{"$project": {"_id": 0, "count": 0, "dates.original": 0}},
		{"$group": {"_id": null, "count": {"$sum": 1}, "dates": {"$push": "$dates"}, "original": {"$push": "$original"}}},
		{"$unwind": "$original"}, {"$unwind": "$original"},
		{"$group": {"_id": "$original.result.who", "count": {"$sum": 1}, "original": {"$push": "$dates"}}},
		{"$addFields": {"dates": {"$arrayElemAt": ["$original", 0]}}},
		{"$project": {"original": 0}},
		{"$sort": {"count": %[4]d}},
		{"$group": {"_id": null, "user_count": {"$sum": 1}, "%[3]s": {"$push": "$$ROOT"}}},
		{"$addFields": {"dates": {"$arrayElemAt": ["$%[3]s", 0]}}},
		{"$addFields": {"dates": "$dates.dates"}},
		{"$project": {"_id": 0, "%[3]s.dates": 0}},
		{"$addFields": {"msg_count": {"$sum": "$%[3]s.count"}}},
		{"$addFields": {"%[3]s": {"$slice": ["$%[3]s", %[5]d, 1]}}}]`, patterns, field, list, direction, page)
}

func TestStatisticsOfUsers(t *testing.T) {
	patterns := `{"doc_id": {"$regex": "^si_", "$options": "i"}}, {"doc_id": {"$regex": "^sg_", "$options": "i"}}`
	days := `"dates": [{"_id": "2025-01-04", "count": 3}, {"_id": "2025-01-05", "count": 1}]`
	in := "[" + conversation + ", " + groupTalk + "]"
	expect(
		t,
		statistics(patterns, "send_id", "users", -1, 0),
		in,
		`[{"user_count": 2, "users": [{"_id": "a", "count": 3}], `+days+`, "msg_count": 4}]`,
	)
	expect(
		t,
		statistics(patterns, "send_id", "users", 1, 0),
		in,
		`[{"user_count": 2, "users": [{"_id": "b", "count": 1}], `+days+`, "msg_count": 4}]`,
	)
	expect(t, statistics(patterns, "send_id", "users", -1, 5), in, `[{"user_count": 2, "users": [], `+days+`, "msg_count": 4}]`)
	expect(t, statistics(patterns, "send_id", "users", -1, 0), `[]`, `[]`)
}

func TestStatisticsOfGroups(t *testing.T) {
	expect(t, statistics(`{"doc_id": {"$regex": "^sg_", "$options": "i"}}`, "group_id", "groups", -1, 0), "["+conversation+", "+groupTalk+"]",
		`[{"user_count": 1, "groups": [{"_id": "g", "count": 1}], "dates": [{"_id": "2025-01-04", "count": 1}], "msg_count": 1}]`)
}

// changeLog is a document of a collection of changes.
const changeLog = `{"_id": 1, "d_id": "alice", "version": 7, "deleted": 2, "logs": [{"e_id": "bob", "version": 3}, {"e_id": "carol", "version": 6}, {"e_id": "dave", "version": 7}]}`

func TestChangesSinceAVersion(t *testing.T) { // findChangeLog
	changes := func(version, limit int) string {
		return fmt.Sprintf(`[
			{"$match": {"d_id": "alice"}},
			{"$addFields": {"logs": {"$cond": {"if": {"$or": [{"$lt": ["$version", %[1]d]}, {"$gte": ["$deleted", %[1]d]}]}, "then": [], "else": "$logs"}}}},
			{"$addFields": {"logs": {"$filter": {"input": "$logs", "as": "l", "cond": {"$gt": ["$$l.version", %[1]d]}}}}},
			{"$addFields": {"log_len": {"$size": "$logs"}}},
			{"$addFields": {"logs": {"$cond": {"if": {"$gt": ["$log_len", %[2]d]}, "then": [], "else": "$logs"}}}}]`, version, limit)
	}
	for _, c := range []struct {
		version, limit, length int
		logs                   string
	}{
		{5, 10, 2, `[{"e_id": "carol", "version": 6}, {"e_id": "dave", "version": 7}]`},
		{5, 1, 2, `[]`}, // more than wanted: the client is to read everything anew
		{7, 10, 0, `[]`},
		{8, 10, 0, `[]`}, // from the future
		{2, 10, 0, `[]`}, // from before what was thrown away
	} {
		expect(t, changes(c.version, c.limit), "["+changeLog+"]",
			fmt.Sprintf(`[{"_id": 1, "d_id": "alice", "version": 7, "deleted": 2, "logs": %s, "log_len": %d}]`, c.logs, c.length))
	}
}

func TestAChangeIsWrittenIntoTheLog(t *testing.T) { // writeLogBatch2
	p, err := CompileUpdate(mjson.Array(t, `[
		{"$addFields": {"delete_e_ids": ["bob", "erin"]}},
		{"$set": {"version": {"$add": ["$version", 1]}, "last_update": {"$date": "2025-01-04T00:00:00Z"}}},
		{"$set": {"logs": {"$filter": {"input": "$logs", "as": "log", "cond": {"$not": {"$in": ["$$log.e_id", "$delete_e_ids"]}}}}}},
		{"$set": {"logs": {"$concatArrays": ["$logs", [
			{"e_id": "bob", "version": "$version", "state": 2}, {"e_id": "erin", "version": "$version", "state": 1}]]}}},
		{"$unset": "delete_e_ids"}]`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(p.Run(Of(mjson.Document(t, changeLog))))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"_id": 1, "d_id": "alice", "version": 8, "deleted": 2, "logs": [{"e_id": "carol", "version": 6}, {"e_id": "dave", "version": 7},
		{"e_id": "bob", "version": 8, "state": 2}, {"e_id": "erin", "version": 8, "state": 1}], "last_update": {"$date": "2025-01-04T00:00:00Z"}}]`
	if got, want := mjson.Text(t, got), mjson.Text(t, mjson.Array(t, want)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestConversationsWhoseMessagesExpire(t *testing.T) { // FindRandConversation
	expect(
		t,
		`[
		{"$match": {"is_msg_destruct": true, "msg_destruct_time": {"$ne": 0}}},
		{"$addFields": {"next_msg_destruct_timestamp": {"$add": [{"$toLong": "$latest_msg_destruct_time"}, "$msg_destruct_time"]}}},
		{"$match": {"next_msg_destruct_timestamp": {"$lt": {"$numberLong": "1736000000000"}}}},
		{"$sample": {"size": 100}}]`,
		`[{"_id": 1, "is_msg_destruct": true, "msg_destruct_time": {"$numberLong": "86400"}, "latest_msg_destruct_time": {"$date": "2025-01-04T00:00:00Z"}},
		  {"_id": 2, "is_msg_destruct": true, "msg_destruct_time": {"$numberLong": "86400"}, "latest_msg_destruct_time": {"$date": "2026-01-04T00:00:00Z"}},
		  {"_id": 3, "is_msg_destruct": false, "msg_destruct_time": {"$numberLong": "86400"}},
		  {"_id": 4, "is_msg_destruct": true, "msg_destruct_time": {"$numberLong": "0"}}]`,
		`[{"_id": 1, "is_msg_destruct": true, "msg_destruct_time": {"$numberLong": "86400"}, "latest_msg_destruct_time": {"$date": "2025-01-04T00:00:00Z"}, "next_msg_destruct_timestamp": {"$numberLong": "1735948886400"}}]`,
	)
}

func TestUsersAreSortedByTheNamesTheirFriendsGaveThem(t *testing.T) { // SortQuery
	expect(
		t,
		`[
		{"$match": {"user_id": {"$in": ["a", "b", "c"]}}},
		{"$addFields": {"_query_sort_name": {"$arrayElemAt": [{"$filter": {"input": {"$objectToArray": {"a": "Zoe"}}, "as": "item", "cond": {"$eq": ["$$item.k", "$user_id"]}}}, 0]}}},
		{"$addFields": {"_query_sort_name": {"$ifNull": ["$_query_sort_name.v", "$nickname"]}}},
		{"$sort": {"_query_sort_name": 1}},
		{"$project": {"user_id": 1}}]`,
		`[{"user_id": "a", "nickname": "Adam"}, {"user_id": "b", "nickname": "Bea"}, {"user_id": "c", "nickname": "Abe"}, {"user_id": "d", "nickname": "Dan"}]`,
		`[{"user_id": "c"}, {"user_id": "b"}, {"user_id": "a"}]`,
	)
}

func TestConversationsAreCounted(t *testing.T) { // GetAllConversationIDs, GetAllConversationIDsNumber
	in := `[{"conversation_id": "x"}, {"conversation_id": "y"}, {"conversation_id": "x"}]`
	expect(
		t,
		`[{"$group": {"_id": "$conversation_id"}}, {"$project": {"_id": 0, "conversation_id": "$_id"}}]`,
		in,
		`[{"conversation_id": "x"}, {"conversation_id": "y"}]`,
	)
	expect(
		t,
		`[{"$group": {"_id": "$conversation_id"}}, {"$group": {"_id": null, "count": {"$sum": 1}}}, {"$project": {"_id": 0}}]`,
		in,
		`[{"count": 2}]`,
	)
}
