package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// link is a HAL link.
type link struct {
	Href string `json:"href"`
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type user struct {
	ID         string            `json:"id"`
	Username   string            `json:"username"`
	Email      string            `json:"email"`
	Enabled    bool              `json:"enabled"`
	Name       map[string]string `json:"name"`
	Title      string            `json:"title"`
	CreatedAt  time.Time         `json:"createdAt"`
	Population struct {
		ID string `json:"id"`
	} `json:"population"`
}

type assignment struct {
	Role struct {
		ID string `json:"id"`
	} `json:"role"`
}

// page is one page of any list.
type page struct {
	Links struct {
		Next link `json:"next"`
	} `json:"_links"`
	Embedded struct {
		Users           []user       `json:"users"`
		Groups          []named      `json:"groups"`
		Populations     []named      `json:"populations"`
		Roles           []named      `json:"roles"`
		RoleAssignments []assignment `json:"roleAssignments"`
	} `json:"_embedded"`
}

type client struct {
	http              *http.Client
	base, token       string
	environment, auth string
	id, secret        string
	lock              sync.Mutex
}

func newClient() (*client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	c := &client{
		http: &http.Client{Transport: transport},
		base: strings.TrimSuffix(os.Getenv("BATON_PINGONE_BASE_URL"), "/v1") + "/v1", auth: os.Getenv("BATON_PINGONE_AUTH_URL"),
		environment: os.Getenv("BATON_PINGONE_ENVIRONMENT_ID"),
		id:          os.Getenv("BATON_PINGONE_CLIENT_ID"), secret: os.Getenv("BATON_PINGONE_CLIENT_SECRET"),
	}
	if c.environment == "" {
		return nil, fmt.Errorf("BATON_PINGONE_ENVIRONMENT_ID is not set")
	}
	return c, nil
}

func (c *client) bearer(ctx context.Context) (string, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.token != "" {
		return c.token, nil
	}
	address := strings.TrimSuffix(c.auth, "/") + "/" + c.environment + "/as/token"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(c.id, c.secret)
	answer, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&token); err != nil {
		return "", err
	}
	if token.AccessToken == "" {
		return "", fmt.Errorf("no token: %s", answer.Status)
	}
	c.token = token.AccessToken
	return c.token, nil
}

// first is the address of a list's first page.
func (c *client) first(query url.Values, path ...string) string {
	address := strings.TrimSuffix(c.base, "/") + "/environments/" + c.environment + "/" + strings.Join(path, "/")
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

// builtin is the address of the roles that every environment has.
func (c *client) builtin() string { return strings.TrimSuffix(c.base, "/") + "/roles" }

func limit(count string) url.Values { return url.Values{"limit": {count}} }

// get reads a page: the one that the token names, else the first.
func (c *client) get(ctx context.Context, token, first string) (*page, error) {
	address := token
	if address == "" {
		address = first
	}
	bearer, err := c.bearer(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", answer.Status)
	}
	var found page
	return &found, json.NewDecoder(answer.Body).Decode(&found)
}
