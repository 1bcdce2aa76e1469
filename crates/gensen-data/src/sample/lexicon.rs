//! The lexicon: nouns, verbs, adjectives, numbers, places and times in three languages.

use Gender::{Feminine as F, Masculine as M, Neuter as N, WeakMasculine as W};
use NounKind::{Animal, Flower, Fruit, Garment, Instrument, Person, Tool, Vehicle};

/// Grammatical gender. German weak masculines take -n in the singular, except in the nominative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gender {
    Masculine,
    Feminine,
    Neuter,
    WeakMasculine,
}

/// The kind of thing that a noun denotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NounKind {
    Person,
    Animal,
    Fruit,
    Flower,
    Tool,
    Garment,
    Vehicle,
    Instrument,
}

/// A noun's singular and plural.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noun {
    pub(super) kind: NounKind,
    pub(super) english: [&'static str; 2],
    pub(super) french_gender: Gender,
    pub(super) french: [&'static str; 2],
    pub(super) german_gender: Gender,
    pub(super) german: [&'static str; 2],
}

const fn noun(
    kind: NounKind,
    english: [&'static str; 2],
    (french_gender, french): (Gender, [&'static str; 2]),
    (german_gender, german): (Gender, [&'static str; 2]),
) -> Noun {
    Noun {
        kind,
        english,
        french_gender,
        french,
        german_gender,
        german,
    }
}

impl Noun {
    /// The nouns of a kind, and its hypernym, if there is one.
    pub(super) fn family(kind: NounKind) -> (&'static [Noun], Option<&'static Noun>) {
        let things = match kind {
            Person => PEOPLE,
            Animal => ANIMALS,
            Fruit => FRUITS,
            Flower => FLOWERS,
            Tool => TOOLS,
            Garment => GARMENTS,
            Vehicle => VEHICLES,
            Instrument => INSTRUMENTS,
        };
        (things, HYPERNYMS.iter().find(|noun| noun.kind == kind))
    }

    /// Whether the noun names a kind, like "animal", "fruit" or "tool".
    pub(super) fn is_hypernym(&self) -> bool {
        HYPERNYMS.contains(self)
    }

    /// Whether the noun equals `general` or has it as its hypernym: a dog is a dog and an animal.
    pub(super) fn is_a(&self, general: &Noun) -> bool {
        self == general || (self.kind == general.kind && general.is_hypernym())
    }
}

#[rustfmt::skip] // One row per line.
pub(super) static PEOPLE: &[Noun] = &[
    noun(Person, ["man", "men"], (M, ["homme", "hommes"]), (M, ["mann", "männer"])),
    noun(Person, ["woman", "women"], (F, ["femme", "femmes"]), (F, ["frau", "frauen"])),
    noun(Person, ["boy", "boys"], (M, ["garçon", "garçons"]), (W, ["junge", "jungen"])),
    noun(Person, ["girl", "girls"], (F, ["fille", "filles"]), (N, ["mädchen", "mädchen"])),
    noun(Person, ["king", "kings"], (M, ["roi", "rois"]), (M, ["könig", "könige"])),
    noun(Person, ["queen", "queens"], (F, ["reine", "reines"]), (F, ["königin", "königinnen"])),
    noun(Person, ["doctor", "doctors"], (M, ["médecin", "médecins"]), (M, ["arzt", "ärzte"])),
    noun(Person, ["teacher", "teachers"], (M, ["professeur", "professeurs"]), (M, ["lehrer", "lehrer"])),
    noun(Person, ["farmer", "farmers"], (M, ["fermier", "fermiers"]), (W, ["bauer", "bauern"])),
    noun(Person, ["baker", "bakers"], (M, ["boulanger", "boulangers"]), (M, ["bäcker", "bäcker"])),
    noun(Person, ["cook", "cooks"], (M, ["cuisinier", "cuisiniers"]), (M, ["koch", "köche"])),
    noun(Person, ["nurse", "nurses"], (F, ["infirmière", "infirmières"]), (F, ["krankenschwester", "krankenschwestern"])),
    noun(Person, ["gardener", "gardeners"], (M, ["jardinier", "jardiniers"]), (M, ["gärtner", "gärtner"])),
    noun(Person, ["sailor", "sailors"], (M, ["marin", "marins"]), (W, ["matrose", "matrosen"])),
    noun(Person, ["thief", "thieves"], (M, ["voleur", "voleurs"]), (M, ["dieb", "diebe"])),
    noun(Person, ["grandmother", "grandmothers"], (F, ["grand-mère", "grands-mères"]), (F, ["großmutter", "großmütter"])),
];

#[rustfmt::skip] // One row per line.
pub(super) static ANIMALS: &[Noun] = &[
    noun(Animal, ["dog", "dogs"], (M, ["chien", "chiens"]), (M, ["hund", "hunde"])),
    noun(Animal, ["cat", "cats"], (M, ["chat", "chats"]), (F, ["katze", "katzen"])),
    noun(Animal, ["horse", "horses"], (M, ["cheval", "chevaux"]), (N, ["pferd", "pferde"])),
    noun(Animal, ["cow", "cows"], (F, ["vache", "vaches"]), (F, ["kuh", "kühe"])),
    noun(Animal, ["duck", "ducks"], (M, ["canard", "canards"]), (F, ["ente", "enten"])),
    noun(Animal, ["goat", "goats"], (F, ["chèvre", "chèvres"]), (F, ["ziege", "ziegen"])),
];

#[rustfmt::skip] // One row per line.
static FRUITS: &[Noun] = &[
    noun(Fruit, ["apple", "apples"], (F, ["pomme", "pommes"]), (M, ["apfel", "äpfel"])),
    noun(Fruit, ["pear", "pears"], (F, ["poire", "poires"]), (F, ["birne", "birnen"])),
    noun(Fruit, ["plum", "plums"], (F, ["prune", "prunes"]), (F, ["pflaume", "pflaumen"])),
    noun(Fruit, ["peach", "peaches"], (F, ["pêche", "pêches"]), (M, ["pfirsich", "pfirsiche"])),
    noun(Fruit, ["lemon", "lemons"], (M, ["citron", "citrons"]), (F, ["zitrone", "zitronen"])),
];

#[rustfmt::skip] // One row per line.
static FLOWERS: &[Noun] = &[
    noun(Flower, ["rose", "roses"], (F, ["rose", "roses"]), (F, ["rose", "rosen"])),
    noun(Flower, ["tulip", "tulips"], (F, ["tulipe", "tulipes"]), (F, ["tulpe", "tulpen"])),
    noun(Flower, ["orchid", "orchids"], (F, ["orchidée", "orchidées"]), (F, ["orchidee", "orchideen"])),
    noun(Flower, ["daisy", "daisies"], (F, ["marguerite", "marguerites"]), (N, ["gänseblümchen", "gänseblümchen"])),
];

#[rustfmt::skip] // One row per line.
static TOOLS: &[Noun] = &[
    noun(Tool, ["hammer", "hammers"], (M, ["marteau", "marteaux"]), (M, ["hammer", "hämmer"])),
    noun(Tool, ["knife", "knives"], (M, ["couteau", "couteaux"]), (N, ["messer", "messer"])),
    noun(Tool, ["shovel", "shovels"], (F, ["pelle", "pelles"]), (F, ["schaufel", "schaufeln"])),
    noun(Tool, ["needle", "needles"], (F, ["aiguille", "aiguilles"]), (F, ["nadel", "nadeln"])),
];

#[rustfmt::skip] // One row per line.
static GARMENTS: &[Noun] = &[
    noun(Garment, ["coat", "coats"], (M, ["manteau", "manteaux"]), (M, ["mantel", "mäntel"])),
    noun(Garment, ["hat", "hats"], (M, ["chapeau", "chapeaux"]), (M, ["hut", "hüte"])),
    noun(Garment, ["shirt", "shirts"], (F, ["chemise", "chemises"]), (N, ["hemd", "hemden"])),
    noun(Garment, ["dress", "dresses"], (F, ["robe", "robes"]), (N, ["kleid", "kleider"])),
    noun(Garment, ["scarf", "scarves"], (F, ["écharpe", "écharpes"]), (M, ["schal", "schals"])),
];

#[rustfmt::skip] // One row per line.
static VEHICLES: &[Noun] = &[
    noun(Vehicle, ["car", "cars"], (F, ["voiture", "voitures"]), (N, ["auto", "autos"])),
    noun(Vehicle, ["boat", "boats"], (M, ["bateau", "bateaux"]), (N, ["boot", "boote"])),
    noun(Vehicle, ["bicycle", "bicycles"], (M, ["vélo", "vélos"]), (N, ["fahrrad", "fahrräder"])),
    noun(Vehicle, ["truck", "trucks"], (M, ["camion", "camions"]), (M, ["lastwagen", "lastwagen"])),
];

#[rustfmt::skip] // One row per line.
static INSTRUMENTS: &[Noun] = &[
    noun(Instrument, ["violin", "violins"], (M, ["violon", "violons"]), (F, ["geige", "geigen"])),
    noun(Instrument, ["flute", "flutes"], (F, ["flûte", "flûtes"]), (F, ["flöte", "flöten"])),
    noun(Instrument, ["guitar", "guitars"], (F, ["guitare", "guitares"]), (F, ["gitarre", "gitarren"])),
    noun(Instrument, ["drum", "drums"], (M, ["tambour", "tambours"]), (F, ["trommel", "trommeln"])),
];

#[rustfmt::skip] // One row per line.
static HYPERNYMS: &[Noun] = &[
    noun(Animal, ["animal", "animals"], (M, ["animal", "animaux"]), (N, ["tier", "tiere"])),
    noun(Fruit, ["fruit", "fruits"], (M, ["fruit", "fruits"]), (F, ["frucht", "früchte"])),
    noun(Flower, ["flower", "flowers"], (F, ["fleur", "fleurs"]), (F, ["blume", "blumen"])),
    noun(Tool, ["tool", "tools"], (M, ["outil", "outils"]), (N, ["werkzeug", "werkzeuge"])),
    noun(Garment, ["garment", "garments"], (M, ["vêtement", "vêtements"]), (N, ["kleidungsstück", "kleidungsstücke"])),
    noun(Vehicle, ["vehicle", "vehicles"], (M, ["véhicule", "véhicules"]), (N, ["fahrzeug", "fahrzeuge"])),
    noun(Instrument, ["instrument", "instruments"], (M, ["instrument", "instruments"]), (N, ["instrument", "instrumente"])),
];

/// The kinds of things that can be bought, found or owned.
pub(super) static THINGS: &[NounKind] =
    &[Animal, Fruit, Flower, Tool, Garment, Vehicle, Instrument];

/// A verb: base, third person singular and past in English; third person singular and plural of
/// the present and the past participle in French (all with "avoir") and German (all with "haben").
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verb {
    pub(super) english: [&'static str; 3],
    pub(super) french: [&'static str; 3],
    pub(super) german: [&'static str; 3],
}

const fn verb(
    english: [&'static str; 3],
    french: [&'static str; 3],
    german: [&'static str; 3],
) -> Verb {
    Verb {
        english,
        french,
        german,
    }
}

/// Verbs without an object.
#[rustfmt::skip] // One row per line.
pub(super) static INTRANSITIVE: &[Verb] = &[
    verb(["sleep", "sleeps", "slept"], ["dort", "dorment", "dormi"], ["schläft", "schlafen", "geschlafen"]),
    verb(["sing", "sings", "sang"], ["chante", "chantent", "chanté"], ["singt", "singen", "gesungen"]),
    verb(["dance", "dances", "danced"], ["danse", "dansent", "dansé"], ["tanzt", "tanzen", "getanzt"]),
    verb(["work", "works", "worked"], ["travaille", "travaillent", "travaillé"], ["arbeitet", "arbeiten", "gearbeitet"]),
    verb(["laugh", "laughs", "laughed"], ["rit", "rient", "ri"], ["lacht", "lachen", "gelacht"]),
    verb(["wait", "waits", "waited"], ["attend", "attendent", "attendu"], ["wartet", "warten", "gewartet"]),
    verb(["cry", "cries", "cried"], ["pleure", "pleurent", "pleuré"], ["weint", "weinen", "geweint"]),
    verb(["play", "plays", "played"], ["joue", "jouent", "joué"], ["spielt", "spielen", "gespielt"]),
];

/// Actions of people on a thing.
#[rustfmt::skip] // One row per line.
pub(super) static TO_THINGS: &[Verb] = &[
    verb(["buy", "buys", "bought"], ["achète", "achètent", "acheté"], ["kauft", "kaufen", "gekauft"]),
    verb(["sell", "sells", "sold"], ["vend", "vendent", "vendu"], ["verkauft", "verkaufen", "verkauft"]),
    verb(["find", "finds", "found"], ["trouve", "trouvent", "trouvé"], ["findet", "finden", "gefunden"]),
    verb(["draw", "draws", "drew"], ["dessine", "dessinent", "dessiné"], ["zeichnet", "zeichnen", "gezeichnet"]),
    verb(["lose", "loses", "lost"], ["perd", "perdent", "perdu"], ["verliert", "verlieren", "verloren"]),
    verb(["steal", "steals", "stole"], ["vole", "volent", "volé"], ["stiehlt", "stehlen", "gestohlen"]),
    verb(["choose", "chooses", "chose"], ["choisit", "choisissent", "choisi"], ["wählt", "wählen", "gewählt"]),
    verb(["wash", "washes", "washed"], ["lave", "lavent", "lavé"], ["wäscht", "waschen", "gewaschen"]),
];

/// Actions of people on a thing for somebody; the roles are not interchangeable.
#[rustfmt::skip] // One row per line.
pub(super) static TO_RECIPIENTS: &[Verb] = &[
    verb(["give", "gives", "gave"], ["donne", "donnent", "donné"], ["gibt", "geben", "gegeben"]),
    verb(["show", "shows", "showed"], ["montre", "montrent", "montré"], ["zeigt", "zeigen", "gezeigt"]),
    verb(["bring", "brings", "brought"], ["apporte", "apportent", "apporté"], ["bringt", "bringen", "gebracht"]),
    verb(["send", "sends", "sent"], ["envoie", "envoient", "envoyé"], ["schickt", "schicken", "geschickt"]),
];

/// Actions of people and animals on each other; the roles are not interchangeable.
#[rustfmt::skip] // One row per line.
pub(super) static TO_BEINGS: &[Verb] = &[
    verb(["see", "sees", "saw"], ["voit", "voient", "vu"], ["sieht", "sehen", "gesehen"]),
    verb(["hear", "hears", "heard"], ["entend", "entendent", "entendu"], ["hört", "hören", "gehört"]),
    verb(["follow", "follows", "followed"], ["suit", "suivent", "suivi"], ["verfolgt", "verfolgen", "verfolgt"]),
    verb(["greet", "greets", "greeted"], ["salue", "saluent", "salué"], ["begrüßt", "begrüßen", "begrüßt"]),
    verb(["call", "calls", "called"], ["appelle", "appellent", "appelé"], ["ruft", "rufen", "gerufen"]),
    verb(["wake", "wakes", "woke"], ["réveille", "réveillent", "réveillé"], ["weckt", "wecken", "geweckt"]),
    verb(["watch", "watches", "watched"], ["regarde", "regardent", "regardé"], ["beobachtet", "beobachten", "beobachtet"]),
    verb(["push", "pushes", "pushed"], ["pousse", "poussent", "poussé"], ["schubst", "schubsen", "geschubst"]),
];

/// An adjective, which comes before its noun (in French after it, unless `french_before`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Adjective {
    pub(super) english: &'static str,
    /// Masculine and feminine singular; the plurals add -s.
    pub(super) french: [&'static str; 2],
    pub(super) french_before: bool,
    /// The stem, to which the endings are added.
    pub(super) german: &'static str,
}

const fn adjective(
    english: &'static str,
    french: [&'static str; 2],
    german: &'static str,
) -> Adjective {
    Adjective {
        english,
        french,
        french_before: false,
        german,
    }
}

pub(super) static ADJECTIVES: &[Adjective] = &[
    adjective("red", ["rouge", "rouge"], "rot"),
    adjective("green", ["vert", "verte"], "grün"),
    adjective("black", ["noir", "noire"], "schwarz"),
    adjective("white", ["blanc", "blanche"], "weiß"),
    adjective("yellow", ["jaune", "jaune"], "gelb"),
    adjective("blue", ["bleu", "bleue"], "blau"),
    Adjective {
        french_before: true,
        ..adjective("small", ["petit", "petite"], "klein")
    },
    Adjective {
        french_before: true,
        ..adjective("big", ["grand", "grande"], "groß")
    },
];

/// A comparative and its opposite.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quality {
    /// The comparative and its opposite.
    pub(super) english: [&'static str; 2],
    /// Each as masculine and feminine.
    pub(super) french: [[&'static str; 2]; 2],
    pub(super) german: [&'static str; 2],
}

const fn quality(
    english: [&'static str; 2],
    french: [[&'static str; 2]; 2],
    german: [&'static str; 2],
) -> Quality {
    Quality {
        english,
        french,
        german,
    }
}

#[rustfmt::skip] // One row per line.
pub(super) static QUALITIES: &[Quality] = &[
    quality(["older", "younger"], [["âgé", "âgée"], ["jeune", "jeune"]], ["älter", "jünger"]),
    quality(["taller", "shorter"], [["grand", "grande"], ["petit", "petite"]], ["größer", "kleiner"]),
    quality(["stronger", "weaker"], [["fort", "forte"], ["faible", "faible"]], ["stärker", "schwächer"]),
    quality(["faster", "slower"], [["rapide", "rapide"], ["lent", "lente"]], ["schneller", "langsamer"]),
    quality(["happier", "sadder"], [["heureux", "heureuse"], ["triste", "triste"]], ["glücklicher", "trauriger"]),
];

/// A number word from two on, so that its noun is plural.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) value: usize,
    pub(super) english: &'static str,
    pub(super) french: &'static str,
    pub(super) german: &'static str,
}

const fn number(
    value: usize,
    english: &'static str,
    french: &'static str,
    german: &'static str,
) -> Number {
    Number {
        value,
        english,
        french,
        german,
    }
}

pub(super) static NUMBERS: &[Number] = &[
    number(2, "two", "deux", "zwei"),
    number(3, "three", "trois", "drei"),
    number(4, "four", "quatre", "vier"),
    number(5, "five", "cinq", "fünf"),
    number(6, "six", "six", "sechs"),
    number(7, "seven", "sept", "sieben"),
];

/// A place: preposition and noun in English, the phrase in French and German.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) english: [&'static str; 2],
    pub(super) french: &'static str,
    pub(super) german: &'static str,
}

const fn place(
    preposition: &'static str,
    noun: &'static str,
    french: &'static str,
    german: &'static str,
) -> Place {
    Place {
        english: [preposition, noun],
        french,
        german,
    }
}

pub(super) static PLACES: &[Place] = &[
    place("in", "garden", "dans le jardin", "im garten"),
    place("in", "kitchen", "dans la cuisine", "in der küche"),
    place("in", "forest", "dans la forêt", "im wald"),
    place("in", "park", "dans le parc", "im park"),
    place("in", "street", "dans la rue", "auf der straße"),
    place("in", "barn", "dans la grange", "in der scheune"),
    place("on", "bridge", "sur le pont", "auf der brücke"),
    place("at", "market", "au marché", "auf dem markt"),
    place("at", "station", "à la gare", "am bahnhof"),
    place("at", "castle", "au château", "am schloss"),
];

/// A time of the present or the past; it begins its sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// The label of the English phrase, and its words with their tags.
    pub(super) english: (&'static str, &'static [(&'static str, &'static str)]),
    pub(super) french: &'static str,
    pub(super) german: &'static str,
}

const fn time(
    english: (&'static str, &'static [(&'static str, &'static str)]),
    french: &'static str,
    german: &'static str,
) -> Time {
    Time {
        english,
        french,
        german,
    }
}

pub(super) static PRESENT_TIMES: &[Time] = &[
    time(("NP", &[("NN", "today")]), "aujourd'hui", "heute"),
    time(("ADVP", &[("RB", "now")]), "maintenant", "jetzt"),
    time(
        ("NP", &[("DT", "this"), ("NN", "morning")]),
        "ce matin",
        "heute morgen",
    ),
    time(
        ("NP", &[("DT", "this"), ("NN", "evening")]),
        "ce soir",
        "heute abend",
    ),
];

pub(super) static PAST_TIMES: &[Time] = &[
    time(("NP", &[("NN", "yesterday")]), "hier", "gestern"),
    time(
        ("PP", &[("IN", "on"), ("NNP", "monday")]),
        "lundi",
        "am montag",
    ),
    time(
        ("PP", &[("IN", "on"), ("NNP", "sunday")]),
        "dimanche",
        "am sonntag",
    ),
    time(
        ("NP", &[("JJ", "last"), ("NN", "week")]),
        "la semaine dernière",
        "letzte woche",
    ),
];
