{{/* The pod's spec. */}}
{{- define "baton-ping-one.podSpec" -}}
{{- $source := include "baton-ping-one.credentialsSource" . -}}
{{- $given := list -}}
{{- range .Values.extraEnv }}{{ $given = append $given .name }}{{ end -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "baton-ping-one.serviceAccountName" . }}
# The token is mounted below, into this container alone: injected ones do not get it.
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "baton-ping-one.gracePeriod" . }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.podSecurityContext }}
securityContext:
  {{- include "baton-ping-one.podSecurityContext" . | nindent 2 }}
{{- end }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: baton-ping-one
    image: {{ include "baton-ping-one.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    {{- with .Values.extraArgs }}
    args:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    env:
      {{- if not (has "BATON_CONFIG_PATH" $given) }}
      - name: BATON_CONFIG_PATH
        value: /etc/baton-ping-one/config/config.yaml
      {{- end }}
      {{- range $name, $path := dict "BATON_HOST_ID" "metadata.name" "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" }}
      {{- if not (has $name $given) }}
      - name: {{ $name }}
        valueFrom:
          fieldRef:
            fieldPath: {{ $path }}
      {{- end }}
      {{- end }}
      {{- if not (has "DEPLOYMENT_NAME" $given) }}
      # Events are written on it as well as on the pod.
      - name: DEPLOYMENT_NAME
        value: {{ include "baton-ping-one.fullname" . }}
      {{- end }}
      {{- range include "baton-ping-one.network" . | fromYamlArray }}
      {{- if not (has .name $given) }}
      - {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- if or (eq $source "env") .Values.extraEnvFrom }}
    envFrom:
      {{- if eq $source "env" }}
      - secretRef:
          name: {{ include "baton-ping-one.secretName" . }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    ports:
      - name: metrics
        containerPort: {{ include "baton-ping-one.adminPort" . }}
        protocol: TCP
    startupProbe:
      httpGet:
        path: /livez
        port: metrics
      {{- toYaml .Values.probes.startup | nindent 6 }}
    readinessProbe:
      httpGet:
        path: /readyz
        port: metrics
      {{- toYaml .Values.probes.readiness | nindent 6 }}
    livenessProbe:
      httpGet:
        path: /livez
        port: metrics
      {{- toYaml .Values.probes.liveness | nindent 6 }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if .Values.securityContext }}
    securityContext:
      {{- include "baton-ping-one.securityContext" . | nindent 6 }}
    {{- end }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      - name: config
        mountPath: /etc/baton-ping-one/config
        readOnly: true
      {{- if eq $source "mount" }}
      - name: credentials
        mountPath: /etc/baton-ping-one/credentials
        readOnly: true
      {{- end }}
      {{- if or .Values.caBundle.existingConfigMap .Values.caBundle.existingSecret }}
      - name: ca
        mountPath: /etc/baton-ping-one/ca
        readOnly: true
      {{- end }}
      - name: data
        mountPath: /var/lib/baton-ping-one
      - name: tmp
        mountPath: /tmp
      {{- if .Values.serviceAccount.mountToken }}
      - name: token
        mountPath: /var/run/secrets/kubernetes.io/serviceaccount
        readOnly: true
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "baton-ping-one.configName" . }}
  {{- if eq $source "mount" }}
  - name: credentials
    secret:
      secretName: {{ include "baton-ping-one.secretName" . }}
      optional: true
      defaultMode: 0440
  {{- end }}
  {{- if .Values.caBundle.existingConfigMap }}
  - name: ca
    configMap:
      name: {{ .Values.caBundle.existingConfigMap }}
      items: [{key: {{ .Values.caBundle.key | quote }}, path: ca.crt}]
  {{- else if .Values.caBundle.existingSecret }}
  - name: ca
    secret:
      secretName: {{ .Values.caBundle.existingSecret }}
      items: [{key: {{ .Values.caBundle.key | quote }}, path: ca.crt}]
  {{- end }}
  - name: data
    {{- if .Values.persistence.enabled }}
    persistentVolumeClaim:
      claimName: {{ .Values.persistence.existingClaim | default (include "baton-ping-one.fullname" .) }}
    {{- else }}
    emptyDir:
      sizeLimit: {{ ternary "1Gi" "16Mi" .Values.standalone.enabled }}
    {{- end }}
  - name: tmp
    emptyDir:
      sizeLimit: {{ .Values.temporaryStorage.sizeLimit }}
  {{- if .Values.serviceAccount.mountToken }}
  - name: token
    projected:
      defaultMode: 0444
      sources:
        - serviceAccountToken:
            path: token
            expirationSeconds: 3607
        - configMap:
            name: kube-root-ca.crt
            items:
              - key: ca.crt
                path: ca.crt
        - downwardAPI:
            items:
              - path: namespace
                fieldRef:
                  fieldPath: metadata.namespace
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.affinity }}
affinity:
  {{- toYaml .Values.affinity | nindent 2 }}
{{- else if gt (int .Values.replicaCount) 1 }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "baton-ping-one.selectorLabels" . | nindent 14 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
