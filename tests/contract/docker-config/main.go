// Tells which logins docker/cli reads from configurations: questions on standard input, answers, as lines of JSON.
package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
)

type question struct {
	Config     string // the text of config.json
	Variable   string // DOCKER_AUTH_CONFIG
	Registries []string
}

type login struct {
	Username, Password, IdentityToken, RegistryToken string
	Failed                                           bool
}

type answer struct {
	Refused bool // the whole file
	Logins  []login
}

func read(asked question, registry string) (types.AuthConfig, error) {
	config := configfile.New("config.json")
	if err := config.LoadFromReader(strings.NewReader(asked.Config)); err != nil {
		panic(err)
	}
	return config.GetAuthConfig(registry)
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		var asked question
		if err := in.Decode(&asked); err != nil {
			panic(err)
		}
		if err := os.Setenv(configfile.DockerEnvConfigKey, asked.Variable); err != nil {
			panic(err)
		}
		given := answer{Logins: []login{}}
		if err := configfile.New("config.json").LoadFromReader(strings.NewReader(asked.Config)); err != nil {
			given.Refused = true
		} else {
			for _, registry := range asked.Registries {
				auth, err := read(asked, registry)
				given.Logins = append(given.Logins, login{
					auth.Username, auth.Password, auth.IdentityToken, auth.RegistryToken, err != nil,
				})
			}
		}
		if err := out.Encode(given); err != nil {
			panic(err)
		}
	}
}
