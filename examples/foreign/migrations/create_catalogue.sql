CREATE TABLE constellations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE stars (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    constellation_id bigint NOT NULL REFERENCES constellations ON DELETE CASCADE,
    designation text NOT NULL UNIQUE,
    magnitude double precision NOT NULL,
    state text NOT NULL CHECK (state IN ('candidate', 'confirmed'))
);
-- The brightest stars of a constellation, and the stars of a constellation that is deleted.
CREATE INDEX stars_brightness ON stars (constellation_id, magnitude);
-- The brightest of the few stars that await review.
CREATE INDEX stars_candidates ON stars (constellation_id, magnitude) WHERE state = 'candidate';

CREATE TABLE sightings (
    star_id bigint NOT NULL REFERENCES stars ON DELETE CASCADE,
    night integer NOT NULL,
    observer bigint NOT NULL,
    PRIMARY KEY (star_id, night)
);
CREATE INDEX sightings_observer ON sightings (observer);
