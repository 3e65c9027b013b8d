package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
)

// Lambda's Runtime API, in place of aws-lambda-go, which Debian does not have. The answer is the event, as it came.
func serve(handle func(body []byte) error) {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(next.Body)
		next.Body.Close()
		if err != nil {
			panic(err)
		}
		path, answer := "/response", body
		if err := handle(body); err != nil {
			failure := map[string]string{"errorType": "error", "errorMessage": err.Error()}
			path = "/error"
			answer, _ = json.Marshal(failure)
		}
		url := api + next.Header.Get("Lambda-Runtime-Aws-Request-Id") + path
		accepted, err := http.Post(url, "application/json", bytes.NewReader(answer))
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, accepted.Body)
		accepted.Body.Close()
	}
}
