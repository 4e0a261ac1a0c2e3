//! Word lists for made-up people and organizations. Plain ASCII, so that a user name is its own lower-case form.

pub(crate) const GIVEN: [(&str, &str); 32] = [
    ("Mara", "mara"), ("Ivo", "ivo"), ("Lena", "lena"), ("Tomas", "tomas"), ("Aiko", "aiko"), ("Bram", "bram"),
    ("Chidi", "chidi"), ("Dana", "dana"), ("Elif", "elif"), ("Farid", "farid"), ("Greta", "greta"), ("Hugo", "hugo"),
    ("Ines", "ines"), ("Jonas", "jonas"), ("Kira", "kira"), ("Luca", "luca"), ("Mina", "mina"), ("Nils", "nils"),
    ("Oona", "oona"), ("Pavel", "pavel"), ("Quinn", "quinn"), ("Rosa", "rosa"), ("Sami", "sami"), ("Tara", "tara"),
    ("Uri", "uri"), ("Vera", "vera"), ("Wim", "wim"), ("Xenia", "xenia"), ("Yusuf", "yusuf"), ("Zoe", "zoe"),
    ("Anouk", "anouk"), ("Boris", "boris"),
];

pub(crate) const FAMILY: [(&str, &str); 32] = [
    ("Lindqvist", "lindqvist"), ("Okafor", "okafor"), ("Nakamura", "nakamura"), ("Silva", "silva"), ("Kowalski", "kowalski"),
    ("Moreau", "moreau"), ("Haddad", "haddad"), ("Janssen", "janssen"), ("Petrov", "petrov"), ("Larsen", "larsen"),
    ("Brandt", "brandt"), ("Castillo", "castillo"), ("Demir", "demir"), ("Eriksen", "eriksen"), ("Fischer", "fischer"),
    ("Gallo", "gallo"), ("Horvat", "horvat"), ("Ivanov", "ivanov"), ("Jensen", "jensen"), ("Keller", "keller"),
    ("Lopez", "lopez"), ("Meyer", "meyer"), ("Novak", "novak"), ("Olsen", "olsen"), ("Papadakis", "papadakis"),
    ("Quiroga", "quiroga"), ("Rossi", "rossi"), ("Santos", "santos"), ("Tanaka", "tanaka"), ("Urban", "urban"),
    ("Vogel", "vogel"), ("Weiss", "weiss"),
];

/// Place, region, postal code, country, locale, preferred language, time zone.
pub(crate) const PLACES: [[&str; 7]; 8] = [
    ["Malmo", "Skane", "21120", "SE", "sv-SE", "sv;q=0.9", "Europe/Stockholm"],
    ["Ghent", "East Flanders", "9000", "BE", "nl-BE", "nl;q=0.9", "Europe/Brussels"],
    ["Leeds", "Yorkshire", "LS1 4AP", "GB", "en-GB", "en;q=0.9", "Europe/London"],
    ["Porto", "Norte", "4000-001", "PT", "pt-PT", "pt;q=0.8", "Europe/Lisbon"],
    ["Osaka", "Kansai", "530-0001", "JP", "ja-JP", "ja;q=1.0", "Asia/Tokyo"],
    ["Boise", "Idaho", "83702", "US", "en-US", "en;q=1.0", "America/Boise"],
    ["Quito", "Pichincha", "170150", "EC", "es-EC", "es;q=0.7", "America/Guayaquil"],
    ["Perth", "Western Australia", "6000", "AU", "en-AU", "en;q=0.6", "Australia/Perth"],
];

pub(crate) const TITLES: [&str; 12] = [
    "Controller", "Field Engineer", "Account Manager", "Staff Nurse", "Data Analyst", "Warehouse Lead", "Legal Counsel",
    "Product Designer", "Site Reliability Engineer", "Payroll Specialist", "Buyer", "Research Chemist",
];

pub(crate) const TYPES: [&str; 4] = ["Employee", "Employee", "Contractor", "Partner"];

pub(crate) const TEAMS: [&str; 24] = [
    "Finance", "Sales", "Support", "Platform", "Security", "Legal", "Payroll", "Design", "Research", "Logistics", "Retail",
    "Quality", "Facilities", "Marketing", "Audit", "Mobile", "Data", "Network", "Treasury", "Training", "Press", "Travel",
    "Safety", "Procurement",
];

pub(crate) const REGIONS: [&str; 12] = [
    "North", "South", "East", "West", "Central", "Nordics", "Iberia", "Benelux", "Alps", "Baltics", "Andes", "Pacific",
];
