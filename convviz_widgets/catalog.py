"""THE list of what the package offers: one row per public name, strings only.

The lazy names of ``convviz_widgets``, the README's tables and the tests read it; nothing registers itself on import.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["handle", "data", "tool", "technique", "widget", "error"]


@dataclass(frozen=True)
class Row:
    """One public name.

    Args:
        name: the name under ``convviz_widgets``.
        target: where it lives, as ``module:attribute``.
        kind: what it is.
        summary: what it gives, in one sentence without a full stop.
        source: author and year of the technique, or "" where there is none to cite.
        notebook: the notebook that shows it, or "".
    """

    name: str
    target: str
    kind: Kind
    summary: str
    source: str = ""
    notebook: str = ""

    @property
    def module(self) -> str:
        """The module of the target."""
        return self.target.partition(":")[0]

    @property
    def attribute(self) -> str:
        """The name within that module."""
        return self.target.partition(":")[2]


ROWS: tuple[Row, ...] = (
    Row("Lens", "convviz_widgets.lens.lens:Lens", "handle", "A network opened for looking into", "", "00_start.ipynb"),
    Row("Unit", "convviz_widgets.core.unit:Unit", "handle", "The address of a layer's channel or neuron"),
    Row(
        "MiniBroden",
        "convviz_widgets.data.mini_broden:MiniBroden",
        "data",
        "Drawn images with pixel labels in six categories, without end",
        "after Bau 2017 (Broden)",
        "00_start.ipynb",
    ),
    Row(
        "ImageFolder",
        "convviz_widgets.data.folder:ImageFolder",
        "data",
        "The pictures of a folder, read when asked for",
    ),
    Row(
        "Broden",
        "convviz_widgets.data.broden:Broden",
        "data",
        "Pictures with labels of six categories, in the published layout, fetched on request",
        "Bau 2017, section 2.1",
    ),
    Row(
        "SegmentationFolder",
        "convviz_widgets.data.segmentation_folder:SegmentationFolder",
        "data",
        "Pictures with label maps from folders, as CamVid, Pascal VOC and ADE20K come",
    ),
    Row(
        "validate",
        "convviz_widgets.data.validate:validate",
        "tool",
        "Every problem of a labelled dataset, listed at once",
    ),
    Row(
        "BoxFolder",
        "convviz_widgets.data.boxes:BoxFolder",
        "data",
        "The pictures of a folder with the boxes of what is on them",
        "after Everingham 2010 (Pascal VOC)",
    ),
    Row(
        "scan",
        "convviz_widgets.tally.scan:scan",
        "tool",
        "Statistics of every unit in one pass over the images, resumable",
        "",
        "00_start.ipynb",
    ),
    Row(
        "top_images",
        "convviz_widgets.methods.deconvnet.top_images:top_images",
        "technique",
        "The images that excite each unit most, cropped to the receptive field",
        "Zeiler & Fergus 2013, section 3",
        "00_start.ipynb",
    ),
    Row(
        "activation_maximization",
        "convviz_widgets.methods.activation_maximization.activation_maximization:activation_maximization",
        "technique",
        "The image that a unit answers to most, grown by any of ten published ways",
        "Erhan 2009; Simonyan 2013; Yosinski 2015; Olah 2017; Nguyen 2016; Fel 2023",
        "01_activation_maximization.ipynb",
    ),
    Row(
        "first_layer",
        "convviz_widgets.methods.activation_maximization.first_layer:first_layer",
        "technique",
        "The first filters as images beside the images grown for them, told apart by colour",
        "Erhan 2009, section 4",
        "01_activation_maximization.ipynb",
    ),
    Row(
        "deconvnet",
        "convviz_widgets.methods.deconvnet.deconvnet:deconvnet",
        "technique",
        "What in a picture made a unit answer, carried back to the pixels",
        "Zeiler & Fergus 2013, section 2.1",
        "02_deconvnet.ipynb",
    ),
    Row(
        "unit_projections",
        "convviz_widgets.methods.deconvnet.unit_projections:unit_projections",
        "technique",
        "What in a picture made each of several units answer, in one go",
        "Zeiler & Fergus 2013, section 2.1",
        "02_deconvnet.ipynb",
    ),
    Row(
        "top_projections",
        "convviz_widgets.methods.deconvnet.projections:top_projections",
        "technique",
        "The patches that excite each unit most, each with its projection",
        "Zeiler & Fergus 2013, figure 2",
        "02_deconvnet.ipynb",
    ),
    Row(
        "diagnose",
        "convviz_widgets.methods.deconvnet.diagnose:diagnose",
        "technique",
        "What ails the first layer, in numbers and words, with remedies",
        "Zeiler & Fergus 2013, sections 3.1 and 4.1",
        "02_deconvnet.ipynb",
    ),
    Row(
        "compare_first_layers",
        "convviz_widgets.methods.deconvnet.first_layers:compare_first_layers",
        "technique",
        "Whether smaller first filters with a smaller stride cover what larger ones miss",
        "Zeiler & Fergus 2013, section 4.1",
        "02_deconvnet.ipynb",
    ),
    Row(
        "EvolutionRecorder",
        "convviz_widgets.methods.deconvnet.evolution:EvolutionRecorder",
        "tool",
        "Follows chosen units through a training: their strongest projections and pictures at chosen epochs",
        "Zeiler & Fergus 2013, section 4 and figure 4",
        "07_training.ipynb",
    ),
    Row(
        "evolution",
        "convviz_widgets.methods.deconvnet.evolution:evolution",
        "tool",
        "A recorded training: how features come about and how early each layer settles",
        "Zeiler & Fergus 2013, section 4 and figure 4",
        "07_training.ipynb",
    ),
    Row(
        "saliency",
        "convviz_widgets.methods.saliency.saliency:saliency",
        "technique",
        "Which pixels a class score or a unit depends on, by six ways of asking",
        "Simonyan 2013, section 3.1",
        "03_saliency.ipynb",
    ),
    Row(
        "randomization_check",
        "convviz_widgets.methods.saliency.randomization:randomization_check",
        "technique",
        "Whether a saliency map changes when the weights are randomised",
        "Adebayo 2018, section 3.1",
        "03_saliency.ipynb",
    ),
    Row(
        "deletion_insertion",
        "convviz_widgets.methods.saliency.deletion:deletion_insertion",
        "technique",
        "The score while the most salient pixels are removed, or put in, first",
        "Petsiuk 2018, section 4.2",
        "03_saliency.ipynb",
    ),
    Row(
        "localize",
        "convviz_widgets.methods.saliency.localize:localize",
        "technique",
        "Where a class is, from a network trained on class labels alone",
        "Simonyan 2013, section 3.2",
        "03_saliency.ipynb",
    ),
    Row(
        "localization_error",
        "convviz_widgets.methods.saliency.evaluate:localization_error",
        "technique",
        "How often the box of localize is right, over pictures with known boxes",
        "Simonyan 2013, section 3.2",
        "03_saliency.ipynb",
    ),
    Row(
        "occlusion",
        "convviz_widgets.methods.occlusion.occlusion:occlusion",
        "technique",
        "How the answer changes while a square hides one part of a picture after another, exact and fast",
        "Zeiler & Fergus 2013, section 4.2",
        "04_occlusion.ipynb",
    ),
    Row(
        "empirical_receptive_field",
        "convviz_widgets.methods.occlusion.receptive_field:empirical_receptive_field",
        "technique",
        "What a unit really sees, beside what it could see",
        "Zhou 2015, section 3.2",
        "04_occlusion.ipynb",
    ),
    Row(
        "minimal_image",
        "convviz_widgets.methods.occlusion.minimal:minimal_image",
        "technique",
        "The least of a picture that the network still takes for the same class",
        "Zhou 2015, section 3.1",
        "04_occlusion.ipynb",
    ),
    Row(
        "ablate",
        "convviz_widgets.methods.occlusion.ablation:ablate",
        "technique",
        "What a class loses without a unit, for one unit or group after another",
        "Zhou 2018, section 3",
        "04_occlusion.ipynb",
    ),
    Row(
        "invert",
        "convviz_widgets.methods.inversion.invert:invert",
        "technique",
        "A picture made anew from one layer's answer to it: what that layer still knows",
        "Mahendran & Vedaldi 2015, section 2; Dosovitskiy & Brox 2016",
        "05_inversion.ipynb",
    ),
    Row(
        "train_decoder",
        "convviz_widgets.methods.inversion.train_decoder:train_decoder",
        "technique",
        "A decoder for any layer of any network, trained on pictures",
        "Dosovitskiy & Brox 2016",
        "05_inversion.ipynb",
    ),
    Row(
        "inversion_measures",
        "convviz_widgets.methods.inversion.measures:inversion_measures",
        "technique",
        "What each layer keeps of pixels, colours, places and classes, as curves by depth",
        "Dosovitskiy & Brox 2016",
        "05_inversion.ipynb",
    ),
    Row(
        "map_importance",
        "convviz_widgets.methods.inversion.compression:map_importance",
        "technique",
        "By how much a picture is told worse from a layer without one map, for each map",
        "Dosovitskiy & Brox 2016",
        "05_inversion.ipynb",
    ),
    Row(
        "compress",
        "convviz_widgets.methods.inversion.compression:compress",
        "technique",
        "Accuracy against the share of a layer's maps kept, by three rankings",
        "Dosovitskiy & Brox 2016",
        "05_inversion.ipynb",
    ),
    Row(
        "dissect",
        "convviz_widgets.methods.dissection.dissect:dissect",
        "technique",
        "What concept each unit stands for, by the overlap of its mask with labelled pixels, exact and resumable",
        "Bau 2017, section 2",
        "06_dissection.ipynb",
    ),
    Row(
        "export_dissection",
        "convviz_widgets.methods.dissection.export:export_dissection",
        "tool",
        "A dissection as CSV, as JSON or as a page that stands alone",
        "",
        "06_dissection.ipynb",
    ),
    Row(
        "compare_dissections",
        "convviz_widgets.methods.dissection.compare:compare_dissections",
        "technique",
        "What several networks, or one at several moments of training, detect, side by side",
        "Bau 2017, section 3.5",
        "06_dissection.ipynb",
    ),
    Row(
        "compare_conditions",
        "convviz_widgets.methods.dissection.conditions:compare_conditions",
        "technique",
        "What nets trained under several conditions detect, and which published findings hold for them",
        "Bau 2017, sections 3.2 to 3.7",
        "07_training.ipynb",
    ),
    Row(
        "rotation",
        "convviz_widgets.methods.dissection.rotation:rotation",
        "technique",
        "Concepts detected while the basis of a layer's units is turned at random",
        "Bau 2017, section 3.2",
        "06_dissection.ipynb",
    ),
    Row(
        "net2vec",
        "convviz_widgets.methods.dissection.net2vec:net2vec",
        "technique",
        "The combination of units that stands for a concept, beside the best single unit",
        "Fong & Vedaldi 2018, section 3",
        "06_dissection.ipynb",
    ),
    Row(
        "concept_vectors",
        "convviz_widgets.methods.dissection.net2vec:concept_vectors",
        "technique",
        "Concepts as directions in the space of a layer's units, to compare and add",
        "Fong & Vedaldi 2018, section 4",
        "06_dissection.ipynb",
    ),
    Row(
        "compare_designs",
        "convviz_widgets.methods.controlled_design.compare:compare_designs",
        "technique",
        "Networks by design beside a plain one of equal cost: parameters, accuracy by number of pictures and by turn",
        "Jacobsen 2016; Cohen & Welling 2016; Bruna & Mallat 2013",
        "08_design.ipynb",
    ),
    Row(
        "DesignComparison",
        "convviz_widgets.methods.controlled_design.comparison:DesignComparison",
        "tool",
        "A comparison of designs with its networks, also the one that ships",
        "",
        "08_design.ipynb",
    ),
    Row(
        "size_ablation",
        "convviz_widgets.methods.training.size_ablation:size_ablation",
        "technique",
        "What layers and widths buy: variants of a network trained on the same data, in one table",
        "Zeiler & Fergus 2013, section 5.1",
        "07_training.ipynb",
    ),
    Row(
        "transfer",
        "convviz_widgets.methods.training.transfer:transfer",
        "technique",
        "What each layer of a frozen network is worth for another task, beside training from scratch",
        "Zeiler & Fergus 2013, sections 5.2 and 5.3; Yosinski 2014",
        "07_training.ipynb",
    ),
    Row(
        "invariance",
        "convviz_widgets.methods.invariance.invariance:invariance",
        "technique",
        "How far layers' answers move, and what the class does, while pictures are shifted, turned or scaled",
        "Zeiler & Fergus 2013, section 4 and figure 5",
        "09_invariance.ipynb",
    ),
    Row(
        "correspondence",
        "convviz_widgets.methods.invariance.correspondence:correspondence",
        "technique",
        "Whether hiding the same part of different pictures changes the same features, against random places",
        "Zeiler & Fergus 2013, section 4.3",
        "09_invariance.ipynb",
    ),
    Row(
        "part_regions",
        "convviz_widgets.methods.invariance.regions:part_regions",
        "tool",
        "The pictures of a labelled dataset that show some parts, with a mask for each part",
        "",
        "09_invariance.ipynb",
    ),
    Row(
        "LayerPicker",
        "convviz_widgets.widgets.layer_picker:LayerPicker",
        "widget",
        "Pick a layer and a neuron of the drawn network and see what excites it",
        "after Yosinski 2015",
        "00_start.ipynb",
    ),
    Row(
        "ActivationMaximizationPanel",
        "convviz_widgets.widgets.am_panel:ActivationMaximizationPanel",
        "widget",
        "Choose a unit and a recipe, turn the knobs and watch the image grow",
        "after Yosinski 2015",
        "01_activation_maximization.ipynb",
    ),
    Row(
        "ProjectionViewer",
        "convviz_widgets.widgets.projection_viewer:ProjectionViewer",
        "widget",
        "A photo, a unit and what made it answer, by three rules side by side, beside its top nine",
        "after Zeiler & Fergus 2013",
        "02_deconvnet.ipynb",
    ),
    Row(
        "SaliencyViewer",
        "convviz_widgets.widgets.saliency_viewer:SaliencyViewer",
        "widget",
        "Saliency maps of a class side by side, its box, and how far to trust a map",
        "after Simonyan 2013",
        "03_saliency.ipynb",
    ),
    Row(
        "OcclusionBrush",
        "convviz_widgets.widgets.occlusion_brush:OcclusionBrush",
        "widget",
        "Hide parts of a photo with a brush, or slide a square over it, and watch the classes and a unit's map change",
        "after Zeiler & Fergus 2013, section 4.2",
        "04_occlusion.ipynb",
    ),
    Row(
        "SequenceViewer",
        "convviz_widgets.widgets.sequence_viewer:SequenceViewer",
        "widget",
        "A minimal image's whole sequence under a slider",
        "after Zhou 2015, section 3.1",
        "04_occlusion.ipynb",
    ),
    Row(
        "InversionPanel",
        "convviz_widgets.widgets.inversion_panel:InversionPanel",
        "widget",
        "A photo told again from each layer of a filmstrip, live, with its answers whole or perturbed",
        "after Mahendran & Vedaldi 2015; Dosovitskiy & Brox 2016",
        "05_inversion.ipynb",
    ),
    Row(
        "ConceptBrowser",
        "convviz_widgets.widgets.concept_browser:ConceptBrowser",
        "widget",
        "Walk through a dissection: layers, units and concepts, their pictures, all units together",
        "after Bau 2017 and Fong & Vedaldi 2018",
        "06_dissection.ipynb",
    ),
    Row(
        "EvolutionViewer",
        "convviz_widgets.widgets.evolution_viewer:EvolutionViewer",
        "widget",
        "A training under a slider over its epochs: projections, strongest pictures, accuracy, settling of layers",
        "after Zeiler & Fergus 2013, figure 4",
        "07_training.ipynb",
    ),
    Row(
        "explore",
        "convviz_widgets.widgets.explore:explore",
        "widget",
        "One unit and one photo in linked panels, in one cell or several: what the widgets above show, together",
        "",
        "00_start.ipynb",
    ),
    Row(
        "DesignBench",
        "convviz_widgets.widgets.design_bench:DesignBench",
        "widget",
        "Filters made by design under sliders, and how a trained structured layer mixes its own",
        "after Jacobsen 2016; Freeman & Adelson 1991; Cohen & Welling 2016",
        "08_design.ipynb",
    ),
    Row(
        "InvarianceViewer",
        "convviz_widgets.widgets.invariance_viewer:InvarianceViewer",
        "widget",
        "A photo that turns under a slider, with how far each layer's answer moves and what becomes of the class",
        "after Zeiler & Fergus 2013, figure 5",
        "09_invariance.ipynb",
    ),
    Row("link", "convviz_widgets.widgets.link:link", "tool", "Ties the shared traits of several widgets"),
    Row(
        "language",
        "convviz_widgets.core.words:language",
        "tool",
        "The language of the widgets' labels: English, Chinese, or as the browser is set",
    ),
    Row(
        "ConvvizError", "convviz_widgets.core.errors:ConvvizError", "error", "The root of every error raised on purpose"
    ),
)

BY_NAME = {row.name: row for row in ROWS}
