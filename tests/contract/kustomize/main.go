// Replaces an image as `kustomize build` does: reads questions from standard input, one a line as JSON, and answers each
// with the resulting manifests, or with why there are none.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

type question struct {
	Manifest, Name, NewName, Digest string
}

type answer struct {
	Manifest, Refused string
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		var result answer
		if built, err := build(asked); err != nil {
			result.Refused = err.Error()
		} else {
			result.Manifest = built
		}
		written, err := json.Marshal(result)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(written))
	}
}

func build(asked question) (string, error) {
	folder := filesys.MakeFsInMemory()
	image := map[string]string{"name": asked.Name, "newName": asked.NewName, "digest": asked.Digest}
	kustomization, err := json.Marshal(map[string]any{"resources": []string{"all.yaml"}, "images": []any{image}})
	if err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{"kustomization.yaml": kustomization, "all.yaml": []byte(asked.Manifest)} {
		if err := folder.WriteFile("/app/"+name, content); err != nil {
			return "", err
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(folder, "/app")
	if err != nil {
		return "", err
	}
	text, err := built.AsYaml()
	return string(text), err
}
