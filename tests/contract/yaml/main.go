// With "order": prints the order in which Helm installs kinds, as JSON. Otherwise reads YAML documents from standard
// input, one JSON string a line, and answers each with the JSON that kubectl makes of it, or with "!" and the error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "order" {
		order, err := json.Marshal(releaseutil.InstallOrder)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(order))
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		if answer, err := yaml.YAMLToJSON([]byte(text)); err != nil {
			fmt.Printf("!%q\n", err.Error())
		} else {
			fmt.Println(string(answer))
		}
	}
}
