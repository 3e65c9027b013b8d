package main

import (
	"encoding/json"
	"strings"
	"time"
)

type event struct {
	TriggerSource, UserName, UserPoolID string
	CallerContext                       struct{ ClientID string }
	Request                             struct{ UserAttributes, ClientMetadata map[string]string }
}

// The argument of the contract `cognito.ensure_user(event jsonb)`, as docs/own-table.md describes it.
func userEvent(body []byte, asOf time.Time) (string, error) {
	var event event
	if err := json.Unmarshal(body, &event); err != nil {
		return "", err
	}
	attributes := event.Request.UserAttributes
	handle := attributes["preferred_username"]
	if handle == "" {
		handle = event.UserName
	}
	displayName := attributes["name"]
	if displayName == "" {
		displayName = handle
	}
	handles := []string{handle}
	digits := strings.ReplaceAll(attributes["sub"], "-", "")
	for _, length := range []int{4, 8, 16, 32} {
		if length > len(digits) {
			length = len(digits)
		}
		handles = append(handles, handle+"-"+digits[:length])
	}
	metadata := event.Request.ClientMetadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	fields := map[string]interface{}{
		"contract":        1,
		"sub":             attributes["sub"],
		"user_name":       event.UserName,
		"user_pool_id":    event.UserPoolID,
		"client_id":       event.CallerContext.ClientID,
		"trigger_source":  event.TriggerSource,
		"display_name":    displayName,
		"handles":         handles,
		"email_verified":  attributes["email"] != "" && attributes["email_verified"] == "true",
		"attributes":      attributes,
		"client_metadata": metadata,
		"as_of":           asOf.UTC().Format(time.RFC3339Nano),
	}
	if attributes["email"] != "" {
		fields["email"] = attributes["email"]
	}
	argument, err := json.Marshal(fields)
	return string(argument), err
}
