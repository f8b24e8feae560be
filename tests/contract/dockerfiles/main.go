// Tells how BuildKit reads Dockerfiles: their texts as JSON strings on standard input, answers as lines of JSON.
package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type document struct {
	Name    string
	Content string
}

type instruction struct {
	Line      int
	Keyword   string
	Flags     int
	Documents []document
}

type answer struct {
	Refused      string // why it is no Dockerfile; empty when it is one
	Instructions []instruction
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		var text string
		if err := in.Decode(&text); err != nil {
			panic(err)
		}
		read := answer{Instructions: []instruction{}}
		result, err := parser.Parse(strings.NewReader(text))
		if err != nil {
			read.Refused = err.Error()
		} else {
			for _, node := range result.AST.Children {
				if node.Value == "" {
					continue // a continuation character alone, which no builder knows as an instruction
				}
				entry := instruction{node.StartLine, strings.ToUpper(node.Value), len(node.Flags), []document{}}
				for _, heredoc := range node.Heredocs {
					content := heredoc.Content
					if heredoc.Chomp {
						content = parser.ChompHeredocContent(content)
					}
					entry.Documents = append(entry.Documents, document{heredoc.Name, content})
				}
				read.Instructions = append(read.Instructions, entry)
			}
		}
		if err := out.Encode(read); err != nil {
			panic(err)
		}
	}
}
