package revision

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Rendering is what the present code renders for one component.
type Rendering struct {
	Template corev1.PodTemplateSpec
	// ConfigMaps are the files of the content-named ConfigMaps that the template mounts.
	ConfigMaps map[string]map[string]string
	// Unread are the fields of the spec in the template that the images of the inputs do not read.
	Unread []string
}

// Render renders all components of the inputs but the unresolved ones, by name.
type Render func(Inputs) (map[string]Rendering, error)

// Proposal is the revision that a stack wants.
type Proposal struct {
	Data Data
	// Outdated are the components whose stored template differs from what this operator would render. They keep it until an update is
	// requested.
	Outdated []string
	// Missing are components that are in no earlier revision and cannot be rendered yet.
	Missing []string
	// Waiting are the fields of the spec that the recorded images do not read, by component. The component, which the spec or a reference
	// changes, keeps its template until an update is requested.
	Waiting map[string][]string
	// Unsure are such fields of components that nothing changes: they run with the fields as an earlier operator rendered them.
	Unsure map[string][]string
}

// Request says what a revision is wanted for.
type Request struct {
	// Inputs of the present spec. Their images are ignored.
	Inputs Inputs
	// Images of this operator.
	Images Images
	// Update is true when the operator's images and templates are requested. Otherwise only what the spec or its references change is
	// rendered anew.
	Update bool
	// Components of the spec.
	Components []string
	// History are the stack's revisions; the first is the one that the stack wanted last.
	History []Data
}

// Propose returns the revision for a request.
//
// A component whose recorded inputs and present inputs give the same rendering by the present code keeps its stored template. So an upgrade
// of the operator, whose code renders other templates, changes no pod, and nothing that runs waits for the operator's images. A component
// whose references do not resolve keeps its template, too, and so does one that is to change and whose recorded images do not read what the
// spec asks for.
func Propose(r Request, render Render) (Proposal, error) {
	inputs := r.Inputs
	inputs.Images = r.Images
	fresh, err := render(inputs)
	if err != nil {
		return Proposal{}, err
	}
	rendered := fresh
	if len(r.History) > 0 && !r.Update {
		inputs.Images = r.History[0].Inputs.Images.withFormatsOf(r.Images)
	}
	if inputs.Images != r.Images {
		if rendered, err = render(inputs); err != nil {
			return Proposal{}, err
		}
	}
	p := proposing{request: r, past: newPast(r.History, render), proposal: Proposal{Data: Data{SchemaVersion: SchemaVersion, Inputs: inputs}}}
	p.proposal.Data.Components = map[string]Component{}
	for _, name := range slices.Sorted(slices.Values(r.Components)) {
		if err := p.add(name, rendered, fresh); err != nil {
			return Proposal{}, fmt.Errorf("proposing a revision: %s: %w", name, err)
		}
	}
	return p.proposal, nil
}

type proposing struct {
	request  Request
	past     *past
	proposal Proposal
}

// add adds one component to the proposal.
func (p *proposing) add(name string, rendered, fresh map[string]Rendering) error {
	rendering, resolves := rendered[name]
	if !resolves {
		p.carry(name)
		return nil
	}
	if err := p.choose(name, rendering); err != nil {
		return err
	}
	newest, err := TemplateHash(fresh[name].Template)
	if err == nil && newest != p.proposal.Data.Components[name].Hash {
		p.proposal.Outdated = append(p.proposal.Outdated, name)
	}
	return err
}

// choose adds the stored template of a component when nothing but the operator has changed since, or when its images do not read the new
// one, which is added else.
func (p *proposing) choose(name string, rendering Rendering) error {
	if !p.request.Update {
		from, stored, err := p.past.find(name, rendering.Template)
		if err != nil {
			return err
		}
		if stored != nil {
			p.store(name, *stored, from)
			note(&p.proposal.Unsure, name, rendering.Unread)
			return nil
		}
	}
	if len(rendering.Unread) > 0 {
		p.wait(name, rendering.Unread)
		return nil
	}
	template, hash, err := stamped(rendering.Template)
	if err != nil {
		return err
	}
	for configMap, files := range rendering.ConfigMaps {
		p.proposal.Data.addConfigMap(configMap, files)
	}
	p.proposal.Data.Components[name] = Component{
		Hash: hash, Template: template, ConfigMaps: slices.Sorted(maps.Keys(rendering.ConfigMaps)),
	}
	return nil
}

// note adds a component's fields, if there are any.
func note(all *map[string][]string, name string, fields []string) {
	if len(fields) == 0 {
		return
	}
	if *all == nil {
		*all = map[string][]string{}
	}
	(*all)[name] = fields
}

// wait keeps the template of a component until an update is requested: its images would refuse the new one.
func (p *proposing) wait(name string, fields []string) {
	note(&p.proposal.Waiting, name, fields)
	inputs := &p.proposal.Data.Inputs
	inputs.Unresolved = append(slices.Clone(inputs.Unresolved), name)
	p.carry(name)
}

// carry keeps the template of a component that cannot be rendered now, together with the inputs that the template belongs to: once the
// references resolve again, the rendering of these decides whether anything changed.
func (p *proposing) carry(name string) {
	for _, earlier := range p.request.History {
		stored, ok := earlier.Components[name]
		if !ok {
			continue
		}
		inputs := earlier.InputsOf(stored)
		stored.Carried, stored.Inputs = true, p.earlier(inputs)
		p.store(name, stored, earlier)
		return
	}
	p.proposal.Missing = append(p.proposal.Missing, name)
}

// earlier returns the number of a set of inputs, and adds the set unless it is there.
func (p *proposing) earlier(inputs Inputs) int {
	d := &p.proposal.Data
	for i := range d.Earlier {
		if reflect.DeepEqual(d.Earlier[i], inputs) {
			return i + 1
		}
	}
	d.Earlier = append(d.Earlier, inputs)
	return len(d.Earlier)
}

// store adds a stored component, with the ConfigMaps of its revision.
func (p *proposing) store(name string, c Component, from Data) {
	for _, configMap := range c.ConfigMaps {
		p.proposal.Data.addConfigMap(configMap, from.ConfigMap(configMap))
	}
	p.proposal.Data.Components[name] = c
}

// past renders the inputs of earlier revisions with the present code, each set once and only when it is asked for.
type past struct {
	history []Data
	render  Render
	done    []renderedInputs
}

type renderedInputs struct {
	inputs     Inputs
	renderings map[string]Rendering
	err        error
}

func newPast(history []Data, render Render) *past { return &past{history: history, render: render} }

// find returns the newest stored component whose recorded inputs give the template by the present code, and its revision.
func (p *past) find(name string, template corev1.PodTemplateSpec) (Data, *Component, error) {
	for _, earlier := range p.history {
		stored, ok := earlier.Components[name]
		if !ok {
			continue
		}
		renderings, err := p.of(earlier.InputsOf(stored))
		if err != nil {
			// Recorded inputs that the present code cannot render decide nothing: the component is rendered anew.
			continue
		}
		rendering, ok := renderings[name]
		if !ok {
			continue
		}
		same, err := sameTemplate(rendering.Template, template)
		if err != nil {
			return Data{}, nil, err
		}
		if same {
			stored.Carried, stored.Inputs = false, 0
			return earlier, &stored, nil
		}
	}
	return Data{}, nil, nil
}

func (p *past) of(inputs Inputs) (map[string]Rendering, error) {
	for _, known := range p.done {
		if reflect.DeepEqual(known.inputs, inputs) {
			return known.renderings, known.err
		}
	}
	renderings, err := p.render(inputs)
	p.done = append(p.done, renderedInputs{inputs, renderings, err})
	return renderings, err
}

// FromDeployments returns the revision of a stack whose Deployments run and which has no revision: their templates as they are, so that
// nothing restarts. The annotation that `kubectl rollout restart` writes is left to kubectl.
func FromDeployments(inputs Inputs, templates map[string]corev1.PodTemplateSpec, configMaps map[string]map[string]string) (Data, error) {
	d := Data{SchemaVersion: SchemaVersion, Inputs: inputs, Components: map[string]Component{}}
	for name, live := range templates {
		template := *live.DeepCopy()
		delete(template.Annotations, annotationRestartedAt)
		hash, err := LiveHash(template)
		if err != nil {
			return Data{}, fmt.Errorf("reading the template of %s: %w", name, err)
		}
		component := Component{Hash: hash, Template: template}
		for _, volume := range template.Spec.Volumes {
			if volume.ConfigMap == nil {
				continue
			}
			if files, ok := configMaps[volume.ConfigMap.Name]; ok {
				d.addConfigMap(volume.ConfigMap.Name, files)
				component.ConfigMaps = append(component.ConfigMaps, volume.ConfigMap.Name)
			}
		}
		d.Components[name] = component
	}
	return d, nil
}

// LiveHash returns the hash of a template that was read from a Deployment: that of its annotation, or else its own.
func LiveHash(template corev1.PodTemplateSpec) (string, error) {
	if hash := template.Annotations[v1alpha1.AnnotationTemplate]; validHash(hash) {
		return hash, nil
	}
	if _, restarted := template.Annotations[annotationRestartedAt]; restarted {
		template.Annotations = maps.Clone(template.Annotations)
		delete(template.Annotations, annotationRestartedAt)
	}
	return TemplateHash(template)
}

// annotationRestartedAt is written by `kubectl rollout restart`.
const annotationRestartedAt = "kubectl.kubernetes.io/restartedAt"
