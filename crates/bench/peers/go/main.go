// A function in Go as a careful team ships it: one secret, one connection, one prepared statement, one retry.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

type secret struct {
	Host, DBName, Username, Password string
	Port                             uint16
}

// This version of the SDK does not read the endpoint from the environment.
func endpoint(service, region string, _ ...interface{}) (aws.Endpoint, error) {
	if url := os.Getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER"); url != "" {
		return aws.Endpoint{URL: url}, nil
	}
	return aws.Endpoint{}, &aws.EndpointNotFoundError{}
}

func readSecret(ctx context.Context) (found secret, err error) {
	resolver := aws.EndpointResolverWithOptionsFunc(endpoint)
	loaded, err := config.LoadDefaultConfig(ctx, config.WithEndpointResolverWithOptions(resolver))
	if err != nil {
		return found, err
	}
	id := os.Getenv("DB_SECRET_ID")
	answer, err := secretsmanager.NewFromConfig(loaded).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return found, err
	}
	return found, json.Unmarshal([]byte(*answer.SecretString), &found)
}

func connect(ctx context.Context, login secret) (*pgx.Conn, error) {
	target := fmt.Sprintf("host=%s port=%d sslmode=verify-full sslrootcert=%s connect_timeout=2",
		login.Host, login.Port, os.Getenv("PGSSLROOTCERT"))
	options, err := pgx.ParseConfig(target)
	if err != nil {
		return nil, err
	}
	options.Database, options.User, options.Password = login.DBName, login.Username, login.Password
	return pgx.ConnectConfig(ctx, options)
}

func main() {
	ctx := context.Background()
	login, err := readSecret(ctx)
	if err != nil {
		panic(err)
	}
	// Before the first event: Lambda gives the start of a process a whole CPU.
	connection, err := connect(ctx, login)
	if err != nil {
		panic(err)
	}
	serve(func(body []byte) error {
		argument, err := userEvent(body, time.Now())
		if err != nil {
			return err
		}
		// pgx prepares each statement once for a connection.
		ensure := func() error {
			_, err := connection.Exec(ctx, "select cognito.ensure_user($1::jsonb)", argument)
			return err
		}
		err = ensure()
		var refused *pgconn.PgError
		if err == nil || (errors.As(err, &refused) && refused.Severity == "ERROR") {
			return err
		}
		// A frozen function wakes with a dead connection.
		connection.Close(ctx)
		if connection, err = connect(ctx, login); err != nil {
			return err
		}
		return ensure()
	})
}
